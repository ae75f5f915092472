"""ncnn `.param` and `.bin` files as Keras models."""
