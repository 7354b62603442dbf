"""The ML backend of Label Studio: requests as its connector makes them, predictions that its own validator takes."""
import base64
import contextlib
import http.server
import json
import threading

import pytest
from serving import serving

pytestmark = pytest.mark.threads
HEADERS = {"Content-Type": "application/json", "User-Agent": "heartex/1.20", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
CONFIG = """<View>
  <Header value="What is it?"/>
  <Image name="photo" value="$img"/>
  <Text name="title" value="$title"/>
  <Choices name="about" toName="title"><Choice value="dog"/></Choices>
  <View visibleWhen="choice-selected"><Choices name="tags" toName="photo" choice="multiple" model_score_threshold="0">%s</Choices></View>
  <TextArea name="says" toName="photo"/>
</View>"""


def choices(*rows):
    return CONFIG % "".join(f"<Choice {r}/>" for r in rows)


def task(image, number=1):
    return {"id": number, "data": {"img": image, "title": "x"}, "meta": {}, "project": 12, "annotations": [], "predictions": []}


def predict(tasks, config, **more):
    return json.dumps({"tasks": tasks, "model_version": "", "project": "12.1700000000", "label_config": config, "params": {"login": None, "password": None, "context": None}, **more})


def data_url(picture):
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def ask(server, tasks, config, path="/predict", headers=HEADERS):
    status, _, answer = server.ask("POST", path, predict(tasks, config), headers)
    return status, answer


def validate(config, prediction):
    """What label_studio_sdk.label_interface checks, by hand and, where it is installed, by itself."""
    assert type(prediction["model_version"]) is str and 0 <= prediction["score"] <= 1 and isinstance(prediction["result"], list)
    assert len({r["id"] for r in prediction["result"]}) == len(prediction["result"])
    for r in prediction["result"]:
        assert f'name="{r["from_name"]}"' in config and f'name="{r["to_name"]}"' in config and 0 <= r.get("score", 0) <= 1
        if r["type"] == "rectanglelabels":
            v = r["value"]
            assert r["original_width"] > 0 < r["original_height"] and (r["image_rotation"], v["rotation"]) == (0, 0)
            assert all(0 <= v[a] < v[a] + v[b] <= 100.001 for a, b in (("x", "width"), ("y", "height"))) and len(v["rectanglelabels"]) == 1
            continue
        value = r["value"][{"choices": "choices", "taxonomy": "taxonomy", "textarea": "text"}[r["type"]]]
        assert isinstance(value, list) and value and all(isinstance(v, list if r["type"] == "taxonomy" else str) for v in value)
    with contextlib.suppress(ImportError):
        from label_studio_sdk.label_interface import LabelInterface
        assert LabelInterface(config).validate_prediction(prediction, return_errors=True) == []


@pytest.fixture(scope="module")
def best(server, jpeg):
    """All tags of the picture, the best first; no score reaches its tag's own threshold."""
    return sorted(server.ask("POST", "/v1/tag?threshold=0", jpeg, {"Content-Type": "image/jpeg"})[2]["tags"], key=lambda t: -t["score"])


def test_health_and_setup(server):
    assert server.ask("GET", "/health")[2]["model_class"] == "anytag"
    assert server.ask("GET", "/label-studio/health")[2] == {"status": "UP", "model_class": "anytag"}
    body = json.dumps({"project": "12.1700000000", "schema": choices("value='dog'"), "hostname": "http://localhost:8081", "access_token": "x", "extra_params": None})
    for path in ("/setup", "/label-studio/setup"):
        status, _, answer = server.ask("POST", path, body, HEADERS)
        assert status == 200 and set(answer) == {"model_version"} and answer["model_version"].startswith("anytag-")


def test_only_labels_of_the_project(server, jpeg, best):
    a, b = best[0]["name"], best[1]["name"]
    config = choices(f'value="{a.upper()}"', f'value="{b}"', 'value="a thing that nobody knows"')
    status, answer = ask(server, [task(data_url(jpeg))], config)
    assert status == 200 and len(answer["results"]) == 1
    prediction = answer["results"][0]
    validate(config, prediction)
    tags, says = prediction["result"]
    assert tags["value"]["choices"] == [a.upper(), b] and (tags["from_name"], tags["to_name"]) == ("tags", "photo")
    assert tags["score"] == pytest.approx(best[0]["score"], abs=1e-4) and prediction["score"] == tags["score"]
    assert says["type"] == "textarea" and len(says["value"]["text"]) == 1
    assert prediction["model_version"] == server.ask("POST", "/setup", "{}", HEADERS)[2]["model_version"]


def test_predicted_values_alias_single_and_floor(server, jpeg, best):
    a, b = best[0]["name"], best[1]["name"]
    def said(config):
        prediction = ask(server, [task(data_url(jpeg))], config)[1]["results"][0]
        validate(config, prediction)
        return [r["value"]["choices"] for r in prediction["result"] if r["type"] == "choices"]
    assert said(choices(f'value="One" predicted_values="boat,  {a} , {b}"', f'value="{a}"')) == [["One"]]
    assert said(choices(f'value="{a}" alias="first"', f'value="{b}"')) == [["first", b]]
    assert said(choices(f'value="{a}"', f'value="{b}"').replace('choice="multiple"', 'choice="single"')) == [[a]]
    assert said(choices(f'value="{a}"', f'value="{b}"').replace('choice="multiple"', "")) == [[a]]
    floor = (best[0]["score"] + best[1]["score"]) / 2
    assert said(choices(f'value="{a}"', f'value="{b}"').replace('threshold="0"', f'threshold="{floor}"')) == [[a]]
    assert said(choices(f'value="{a}"').replace('model_score_threshold="0"', "")) == []
    assert said(choices(f'value="{a}"').replace('name="tags"', 'name="tags" perRegion="true"')) == []


def test_a_taxonomy_is_paths(server, jpeg, best):
    a, b = best[0]["name"], best[1]["name"]
    config = f'<View><Image name="i" value="$img"/><Taxonomy name="t" toName="i" model_score_threshold="0"><Choice value="things"><Choice value="small"><Choice value="{a}"/></Choice></Choice><Choice value="{b}"/></Taxonomy></View>'
    prediction = ask(server, [task(data_url(jpeg))], config)[1]["results"][0]
    validate(config, prediction)
    assert prediction["result"][0]["value"] == {"taxonomy": [["things", "small", a], [b]]}


def test_boxes_from_heat_maps(server, make_picture):
    """The boxes of /v1/tag, in percent, of the labels that the project names and of no other."""
    picture = make_picture(seed=3, size=(90, 60))
    record = server.ask("POST", "/v1/tag?threshold=0&boxes=1&top=40", picture, {"Content-Type": "image/jpeg"})[2]
    scores = {t["name"]: t["score"] for t in record["tags"]}
    seen = list(dict.fromkeys(o["label"] for o in record["objects"]))
    a, b = seen[0], seen[-1]
    def config(*labels, choice=""):
        return f'<View><Image name="i" value="$img"/><RectangleLabels name="b" toName="i" model_score_threshold="0">{"".join(f"<Label {w}/>" for w in labels)}<Choice value="{seen[1]}"/></RectangleLabels>{choice}</View>'
    def said(xml):
        prediction = ask(server, [task(data_url(picture))], xml)[1]["results"][0]
        validate(xml, prediction)
        return prediction
    xml = config(f'value="{a}"', f'value="Other" alias="last" predicted_values="{b}"', 'value="a thing that nobody knows"')
    prediction = said(xml)
    names = {a: a, b: "last"}
    want = [(names[o["label"]], o["box"]) for o in record["objects"] if o["label"] in names]
    got = [(r["value"]["rectanglelabels"][0], r["value"]) for r in prediction["result"]]
    assert len(want) >= 2 and [g[0] for g in got] == [w[0] for w in want]
    for (_, v), (_, (x0, y0, x1, y1)) in zip(got, want):
        assert [v["x"], v["y"], v["width"], v["height"]] == pytest.approx([x0 / .9, y0 / .6, (x1 - x0) / .9, (y1 - y0) / .6], abs=1e-3)
    for r in prediction["result"]:
        assert r["type"] == "rectanglelabels" and (r["original_width"], r["original_height"]) == (90, 60)
        assert r["score"] == pytest.approx(scores[a if r["value"]["rectanglelabels"] == [a] else b], abs=1e-4)
    assert prediction["score"] == pytest.approx(max(scores[a], scores[b]), abs=1e-4)
    # another project of the same picture, of a label less, and one with choices beside
    assert {r["value"]["rectanglelabels"][0] for r in said(config(f'value="{b}"'))["result"]} == {b}
    both = said(config(f'value="{a}"', choice=f'<Choices name="c" toName="i" model_score_threshold="0"><Choice value="{seen[1]}"/></Choices>'))
    assert [r["value"].get("choices") for r in both["result"]][0] == [seen[1]] and len(both["result"]) == 1 + sum(w[0] == a for w in want)
    assert said(config(f'value="{a}"').replace('threshold="0"', 'threshold="1"'))["result"] == []


@pytest.mark.parametrize("config", ["<View/>", '<View><Image name="i" value="$img"/><Choices name="c" toName="i"/></View>', '<View><Text name="t" value="$x"/><Choices name="c" toName="t"><Choice value="dog"/></Choices></View>'])
def test_a_project_without_labels_is_no_error(server, jpeg, config):
    status, answer = ask(server, [task(data_url(jpeg)), task("s3://a/b")], config)
    assert status == 200 and [r["result"] for r in answer["results"]] == [[], []]
    assert "predictions are empty" in server.log()


@pytest.mark.parametrize("config, says", [
    ("<View>", "no element found"), ('<!DOCTYPE x [<!ENTITY a "aaaa">]><View>&a;</View>', "DOCTYPE"), ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><View/>', "DOCTYPE"),
    ("<a>" * 100 + "</a>" * 100, "64 levels"), ("<View>" + " " * 300000 + "</View>", "256 KiB"), ("", "no element"), (7, "missing"), ("<View>&nbsp;</View>", "undefined entity")])
def test_a_wrong_configuration_is_told(server, jpeg, config, says):
    status, answer = ask(server, [task(data_url(jpeg))], config)
    assert status == 400 and says in answer["detail"] and answer["status"] == 400 and answer["result"] == {"traceback": ""} and answer["request"] == {}


def test_a_task_that_fails_leaves_the_others(server, jpeg, best):
    config = choices(f'value="{best[0]["name"]}"')
    bad = [task("s3://bucket/a.jpg", 2), {"id": 3, "data": {}}, {"id": 4}, task("data:image/png;base64,bm8="), task("/data/upload/1/a.jpg"), task("http://127.0.0.1:9/a.jpg")]
    status, answer = ask(server, [task(data_url(jpeg)), *bad, task(data_url(jpeg))], config)
    assert status == 200 and [len(r["result"]) for r in answer["results"]] == [2, 0, 0, 0, 0, 0, 0, 2]
    errors = [r.get("error", "") for r in answer["results"]]
    for text, part in zip(errors, ["", "pre-signed", "names no picture", "names no picture", "not an image", "LABEL_STUDIO_URL", "allow-urls", ""]):
        assert part in text, (part, text)
    for one, status in zip(bad, (403, 400, 400, 422, 403, 403)):
        got, answer = ask(server, [one], config)
        assert got == status and answer["status"] == status and answer["detail"]


def test_more_tasks_than_the_queue(make_picture, best):
    """A page of tasks is worked through a few at a time."""
    with serving("--queue", "4", "--cache", "0") as s:
        tasks = [task(data_url(make_picture(seed=i % 3, size=(32, 24))), i) for i in range(40)]
        status, answer = ask(s, tasks, CONFIG.replace("TextArea", "Header") % '<Choice value="dog"/>')
        assert status == 200 and len(answer["results"]) == 40
        assert [r["result"] for r in answer["results"][:3]] == [r["result"] for r in answer["results"][3:6]]
        assert ask(s, [task("s3://a", i) for i in range(1025)], choices("value='dog'"))[0] == 400


def test_webhook(server):
    for action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING"):
        status, _, answer = server.ask("POST", "/webhook", json.dumps({"action": action, "project": {"id": 12, "label_config": "<View/>"}}), HEADERS)
        assert (status, answer) == (201, {"result": {}, "status": "ok"})
    assert server.ask("POST", "/label-studio/webhook", '{"action":"TASKS_DELETED"}', HEADERS)[::2] == (200, {"status": "Unknown event"})


def test_keys_come_as_basic(jpeg, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("a-long-key\n")
    def basic(password, user="labelstudio"):
        return {**HEADERS, "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    with serving("--api-key-file", keys) as s:
        assert s.ask("POST", "/setup", "{}", HEADERS)[2]["status"] == 401
        assert s.ask("GET", "/label-studio/health")[0] == 200
        assert s.ask("POST", "/setup", "{}", basic("a-long-key"))[0] == 200 and s.ask("POST", "/setup", "{}", basic("a-long-kex"))[0] == 401
        assert s.ask("POST", "/v1/tag", jpeg, {**basic("a-long-key"), "Content-Type": "image/jpeg"})[0] == 401


class Studio(http.server.BaseHTTPRequestHandler):
    picture, asked = b"", []

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        where = {"/data/upload/1/away.jpg": "http://localhost:9/a.jpg", "/data/upload/1/moved.jpg": "/data/upload/1/a.jpg", "/data/upload/1/loop.jpg": "/data/upload/1/loop.jpg"}.get(self.path)
        found = self.path.startswith("/data/upload/1/a.jpg")
        self.send_response(302 if where else 200 if found else 404)
        if where:
            self.send_header("Location", where)
        self.end_headers()
        self.wfile.write(self.picture if found else b"no")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def studio(jpeg):
    Studio.picture = jpeg
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Studio) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


def test_pictures_of_its_host(studio, jpeg, best, tmp_path):
    config = choices(f'value="{best[0]["name"]}"')
    (tmp_path / "a b.jpg").write_bytes(jpeg)
    env = {"LABEL_STUDIO_URL": studio + "/", "LABEL_STUDIO_API_KEY": "0123abcd"}
    with serving("--media-root", tmp_path, env=env) as s:
        Studio.asked.clear()
        names = ["/data/upload/1/a.jpg", studio + "/data/upload/1/a.jpg?x=1", "/data/upload/1/moved.jpg", "/data/local-files/?d=a%20b.jpg", "/data/upload/1/b.jpg", "/data/upload/1/away.jpg",
                 "/data/upload/1/loop.jpg", "/data/local-files/?d=../x", "http://localhost:1/", studio.replace("127.0.0.1", "localhost") + "/data/upload/1/a.jpg", "ftp://127.0.0.1/a"]
        status, answer = ask(s, [task(n) for n in names], config)
        said = [r.get("error") or len(r["result"]) for r in answer["results"]]
        assert status == 200 and said[:4] == [2, 2, 2, 2], said
        for text, part in zip(said[4:], ["answers 404", "not allowed", "3 redirects", "leaves --media-root", "allow-urls", "allow-urls", "pre-signed"]):
            assert part in text, (part, text)
        assert {key for _, key in Studio.asked} == {"Token 0123abcd"}
        # the token is Label Studio's alone: our own routes do not fetch with it
        one = json.dumps({"image": {"url": studio + "/data/upload/1/a.jpg"}})
        assert s.ask("POST", "/v1/tag", one, HEADERS)[2]["code"] == "url-not-allowed"
