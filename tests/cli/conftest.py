import numpy as np
import pytest
from PIL import Image


@pytest.fixture()
def photos(tmp_path):
    rng = np.random.default_rng(1)
    for name, size in (("a.jpg", (64, 48)), ("b.png", (48, 64)), ("c.webp", (33, 20))):
        smooth = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)).resize(size, Image.BICUBIC)
        smooth.save(tmp_path / name)
    (tmp_path / "note.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes((tmp_path / "b.png").read_bytes())
    return tmp_path
