"""Immich's machine learning service: what it asks, and that nothing is answered that would spoil its index."""
import json

import pytest

# undici, which Node's fetch is, writes these names and this boundary
BOUNDARY = "----formdata-undici-0123456789"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "User-Agent": "node"}
CLIP = {"clip": {"visual": {"modelName": "ViT-B-16__openai"}}}
TEXT = {"clip": {"textual": {"modelName": "ViT-B-16__openai", "options": {"language": "en"}}}}
FACES = {"facial-recognition": {"detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}}, "recognition": {"modelName": "buffalo_l"}}}
OCR = {"ocr": {"detection": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.5, "maxResolution": 736}}, "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.8}}}}


def body(entries, image=None, text=None):
    out = b""
    for name, value in (("entries", entries), ("text", text)):
        if value is not None:
            value = value if isinstance(value, str) else json.dumps(value)
            out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    if image is not None:
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="blob"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + image + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def test_ping(server):
    status, headers, said = server.ask("GET", "/ping")
    assert (status, said) == (200, b"pong") and headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("entries, text, says", [(CLIP, None, "ViT-B-16__openai"), (TEXT, "a red bicycle", "both towers"), (FACES, None, "facial-recognition"), (OCR, None, "ocr")])
def test_nothing_that_is_not_the_original_is_answered(server, jpeg, entries, text, says):
    status, headers, answer = server.ask("POST", "/predict", body(entries, None if text else jpeg, text), HEADERS)
    assert status == 501 and says in answer["detail"] and headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("entries, status, says", [
    ("{", 422, "Invalid request format."), (None, 422, "Invalid"), ("[]", 422, "Invalid"), ({"clip": 1}, 422, "Invalid"), ({"clip": {"visual": {}}}, 422, "Invalid"), ({}, 422, "Invalid"),
    (CLIP, 400, "Either image or text must be provided")])
def test_its_own_errors(server, entries, status, says):
    got, _, answer = server.ask("POST", "/predict", body(entries), HEADERS)
    assert got == status and says in answer["detail"]


def test_the_type_of_the_body_decides(server):
    """The same path is Label Studio's when the body is JSON."""
    status, _, answer = server.ask("POST", "/predict", '{"tasks":[],"label_config":"<View/>"}', {"Content-Type": "application/json"})
    assert (status, answer) == (200, {"results": []})
    status, _, answer = server.ask("POST", "/predict", "x", {"Content-Type": "text/plain"})
    assert status == 415 and "application/json" in answer["detail"]
