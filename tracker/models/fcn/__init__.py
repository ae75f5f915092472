"""Fully convolutional networks: window classifiers and FCN-8s."""
