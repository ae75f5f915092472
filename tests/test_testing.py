"""The stand-ins for users' tests, as a user would use them."""

from tracker import DeepSort, Detections, Pipeline
from tracker.testing import ScriptedDetector, ScriptedSource


def test_a_script_by_frame_and_nothing_beyond_it() -> None:
    walk = [Detections.create([[2 * i, 10, 2 * i + 12, 40]], [0.8], [1]) for i in range(5)]
    detector = ScriptedDetector(walk, class_names=["cat", "dog"])
    source = ScriptedSource(7, size=(48, 64))
    results = list(Pipeline(detector=detector, tracker=DeepSort()).run(source))
    assert [len(r.detections) for r in results] == [1, 1, 1, 1, 1, 0, 0]
    assert results[4].tracks.ids.tolist() == [1]
    assert results[4].run.class_names == ("cat", "dog")
    assert detector.started == [source.info]
    assert source.delivered == 7


def test_frames_have_their_index_as_grey_level_and_their_time() -> None:
    frames = list(ScriptedSource(3, indices=[0, 2, 5]))
    assert [frame.index for frame in frames] == [0, 2, 5]
    assert [int(frame.image.max()) for frame in frames] == [0, 2, 5]
    assert [frame.time_s for frame in frames] == [0, 0.08, 0.2]
    assert frames[0].image.shape == (48, 64, 3)


def test_a_closed_source_ends() -> None:
    with ScriptedSource(3) as source:
        frames = iter(source)
        next(frames)
    assert source.closed
    assert list(frames) == []
