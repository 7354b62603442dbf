import io

import numpy as np
import pytest
import serving
from PIL import Image


def pytest_collection_modifyitems(items):
    if b"left out" in serving.program.run("serve", "--port", "99999", code=2).stderr:
        for item in items:
            if "tests/serve" in str(item.fspath):
                item.add_marker(pytest.mark.skip(reason="this build has no server (libmicrohttpd-dev, libcurl4-openssl-dev, libexpat1-dev)"))


def picture(kind="JPEG", seed=1, size=(64, 48)):
    rng = np.random.default_rng(seed)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)).resize(size, Image.BICUBIC).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="session")
def jpeg():
    return picture()


@pytest.fixture(scope="session")
def png():
    return picture("PNG", 2, (48, 64))


@pytest.fixture(scope="session")
def make_picture():
    return picture


@pytest.fixture(scope="module")
def server():
    with serving.serving() as s:
        yield s
