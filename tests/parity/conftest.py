import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def pytest_configure(config):
    config.addinivalue_line("markers", "full: full-size models; run with -m full")


def pytest_collection_modifyitems(config, items):
    if "full" not in (config.option.markexpr or ""):
        keep = [i for i in items if i.get_closest_marker("full") is None]
        config.hook.pytest_deselected(items=[i for i in items if i not in keep])
        items[:] = keep
