"""Files are replaced whole or not at all."""

from pathlib import Path

import pytest

from jumbo_backbone.files import replacing, umask, write_atomically


def test_a_file_is_whole_and_has_usual_permissions(tmp_path):
    path = tmp_path / "file"
    for data in (b"old", b"new"):
        write_atomically(data, path)
        assert path.read_bytes() == data and list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def test_what_fails_on_the_way_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(b"old", path)
    with pytest.raises(OSError, match="disk"), replacing(path) as temporary:
        temporary.write_bytes(b"ne")
        raise OSError("disk full")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("pulled the plug")))
    with pytest.raises(OSError, match="plug"):
        write_atomically(b"new", path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
