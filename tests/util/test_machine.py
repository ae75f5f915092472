from pathlib import Path

from tracker.util.machine import cpu_model


def test_the_name_of_the_processor(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Deep Thought 7.5M\n", encoding="utf-8")
    assert cpu_model(info) == "Deep Thought 7.5M"
    assert cpu_model(tmp_path / "none")
