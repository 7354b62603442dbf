"""Jobs: what comes back equals what single requests get; events can be read twice, left and taken up again."""
import csv
import io
import json

import pytest
from serving import JPEG, form, program, serving, slowed, until, without_times

pytestmark = pytest.mark.threads
JSON = {"Content-Type": "application/json"}


def post(server, pictures, **values):
    parts = [("image", name, data) for name, data in pictures] + [(k, None, v) for k, v in values.items()]
    return server.ask("POST", "/v1/jobs", *form(parts))


def events(server, path, headers=None, most=10_000):
    """(event, id, data) until the stream ends."""
    c = server.connect()
    c.request("GET", path, headers=headers or {})
    answer = c.getresponse()
    assert answer.status == 200, answer.read()
    assert answer.getheader("Content-Type") == "text/event-stream" and answer.getheader("Cache-Control") == "no-store"
    out, event = [], {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            event[name] = value
        elif "event" in event:
            out.append((event["event"], int(event["id"]), json.loads(event["data"])))
            event = {}
            if len(out) == most:
                break
    c.close()
    return out


def ended(server, path, headers=None):
    def state():
        told = server.ask("GET", path, headers=headers)[2]
        return told if told["state"] != "running" else None
    return until(state)


@pytest.fixture(scope="module")
def pictures(make_picture):
    return [(f"{i}.jpg", make_picture(seed=i)) for i in range(7)] + [("note.txt", b"no picture"), ("empty.jpg", b"")]


@pytest.fixture(scope="module")
def job(server, pictures):
    status, headers, told = post(server, pictures, top="5")
    assert status == 202 and headers["Location"] == told["links"]["self"] and told["total"] == 9
    assert told["state"] in ("running", "finished") and "token" not in told["links"]["events"]
    return told


def test_events(server, job, pictures):
    got = events(server, job["links"]["events"])
    assert [e[1] for e in got] == list(range(1, 20)) and got[-1][0] == "done"
    assert got[-1][2] == {"state": "finished", "ok": 7, "failed": 2, "results": job["links"]["results"]}
    results = {d["index"]: d["record"] for kind, _, d in got if kind == "result"}
    assert sorted(results) == list(range(9))
    for i, (name, data) in enumerate(pictures):
        record = results[i]
        assert record["source"]["name"] == name
        if i < 7:
            alone = server.ask("POST", "/v1/tag?top=5", data, JPEG)[2]
            assert record["tags"] == alone["tags"] and "captions" not in record
    assert results[7]["error"]["code"] == "not-an-image" and results[8]["error"]["code"]
    progress = [d for kind, _, d in got if kind == "progress"]
    assert [p["done"] for p in progress] == sorted(p["done"] for p in progress) and progress[-1]["done"] == progress[-1]["total"] == 9
    assert progress[-1]["failed"] == 2 and progress[-1]["rate"] > 0


def test_a_reader_that_comes_back_misses_nothing(server, job):
    whole = events(server, job["links"]["events"])
    first = events(server, job["links"]["events"], most=5)
    rest = events(server, job["links"]["events"], {"Last-Event-ID": str(first[-1][1])})
    strip = [e[:2] + ((e[2]["index"],) if e[0] == "result" else ()) for e in first + rest]
    assert strip == [e[:2] + ((e[2]["index"],) if e[0] == "result" else ()) for e in whole]
    assert [e[0] for e in events(server, job["links"]["events"], {"Last-Event-ID": "19"})] == ["done"]
    for wrong in ("999999", "-1", "x"):
        assert events(server, job["links"]["events"], {"Last-Event-ID": wrong})[0][1] == 1


def test_results(server, job, pictures):
    assert ended(server, job["links"]["self"])["state"] == "finished"
    status, headers, text = server.ask("GET", job["links"]["results"])
    lines = [json.loads(x) for x in text.decode().splitlines()]
    assert status == 200 and headers["Content-Type"] == "application/x-ndjson"
    assert [x["source"]["name"] for x in lines] == [name for name, _ in pictures]
    as_list = server.ask("GET", job["links"]["results"] + "?format=json")[2]
    assert as_list == lines
    rows = list(csv.reader(io.StringIO(server.ask("GET", job["links"]["results"] + "?format=csv")[2].decode())))
    assert len({len(row) for row in rows}) == 1 and rows.count(rows[0]) == 1
    assert {row[0] for row in rows[1:]} == {x["source"]["name"] for x in lines if x.get("tags")}
    status, _, body = server.ask("GET", job["links"]["results"] + "?format=coco")
    assert status == 400 and body["pointer"] == "/format"


def test_results_for_a_spreadsheet(server, jpeg):
    names = ["=1+1.jpg", "a.jpg", "-x, y.jpg", "'@z.jpg", "it's.jpg", "+.txt"]
    told = post(server, [(n, b"no picture" if n == "+.txt" else jpeg) for n in names], threshold="0", top="2")[2]
    assert ended(server, told["links"]["self"])["failed"] == 1

    def rows(query):
        status, headers, text = server.ask("GET", told["links"]["results"] + "?format=csv" + query)
        assert status == 200 and headers["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.reader(io.StringIO(text.decode())))

    plain, guarded = rows(""), rows("&excel=1")
    assert [r[0] for r in plain[1::2]] == names[:5] and rows("&excel=0") == plain
    assert [r[0] for r in guarded[1::2]] == ["'=1+1.jpg", "a.jpg", "'-x, y.jpg", "''@z.jpg", "it's.jpg"]
    assert [r[1:] for r in guarded] == [r[1:] for r in plain] and guarded[0] == plain[0]
    for query in ("?excel=1", "?excel=1&format=jsonl", "?format=csv&excel=yes"):
        status, _, body = server.ask("GET", told["links"]["results"] + query)
        assert status == 400 and body["pointer"] == "/excel"


def test_cancel(make_picture):
    with serving("--batch", "1", "--batch-wait", "0") as server:
        many = [(f"{i}.jpg", make_picture(seed=i)) for i in range(60)]
        with slowed(server):
            job = post(server, many)[2]
            assert server.ask("DELETE", job["links"]["self"])[0] == 200
        state = ended(server, job["links"]["self"])
        assert state["state"] == "cancelled" and state["done"] < 60
        got = events(server, job["links"]["events"])
        assert got[-1][0] == "done" and got[-1][2]["state"] == "cancelled" and len(got) == 2 * state["done"] + 1
        assert len(server.ask("GET", job["links"]["results"])[2].splitlines()) == state["done"]
        assert 'anytag_jobs{state="cancelled"} 1' in server.ask("GET", "/metrics")[2].decode()
        assert server.ask("DELETE", job["links"]["self"])[2]["state"] == "cancelled"  # again: it is forgotten
        assert server.ask("GET", job["links"]["self"])[2]["code"] == server.ask("DELETE", job["links"]["self"])[2]["code"] == "job-not-found"
        # stopping with a job at work and a reader at its events ends both
        with slowed(server):
            job = post(server, many)[2]
            c = server.connect()
            c.request("GET", job["links"]["events"])
            answer = c.getresponse()
            server.process.terminate()  # is met at its next turn
        assert server.process.wait(program.PATIENCE) == 0, server.log()
        assert b'"cancelled"' in answer.read()


def test_a_picture_too_large_is_its_record_alone(make_picture):
    pictures = [("small.jpg", make_picture(seed=1)), ("wide.png", make_picture("PNG", 2, (1200, 900))), ("other.jpg", make_picture(seed=3))]
    with serving("--max-pixels", "1M") as server:
        status, _, told = post(server, pictures, scores="1")
        assert status == 202 and ended(server, told["links"]["self"])["failed"] == 1
        small, wide, other = [json.loads(x) for x in server.ask("GET", told["links"]["results"])[2].splitlines()]
        assert wide["source"]["name"] == "wide.png" and wide["error"]["code"] == "image-too-large" and "1.08" in wide["error"]["detail"]
        assert small["scores"] == server.ask("POST", "/v1/tag?scores=1", pictures[0][1], JPEG)[2]["scores"] and "tags" in other


def test_paths(tmp_path, make_picture):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(make_picture(seed=3))
    (tmp_path / "secret.jpg").write_bytes(make_picture(seed=4))
    with serving("--media-root", tmp_path / "in") as server:
        status, _, job = server.ask("POST", "/v1/jobs", json.dumps({"paths": ["a.jpg", "../secret.jpg", "gone.jpg"]}), JSON)
        assert status == 202 and ended(server, job["links"]["self"])["failed"] == 2
        a, secret, gone = [json.loads(x) for x in server.ask("GET", job["links"]["results"])[2].splitlines()]
        assert a["source"]["name"] == "a.jpg" and "tags" in a
        assert secret["error"] and "tags" not in secret and gone["error"]["code"] == "not-found"


def test_refusals(server, jpeg):
    assert post(server, [])[2]["code"] in ("no-input", "invalid-multipart")
    assert post(server, [("a.jpg", jpeg)], threshold="7")[2]["code"] == "invalid-parameter"
    assert post(server, [("a.jpg", jpeg)], only="nothing of this name")[2]["code"] == "unknown-tag"
    for wrong in ('{"paths": "a.jpg"}', '{"paths": [1]}', '{"paths": []}'):
        assert server.ask("POST", "/v1/jobs", wrong, JSON)[0] == 400, wrong
    assert server.ask("POST", "/v1/jobs", '{"paths": ["a.jpg"]}', JSON)[2]["code"] == "path-not-allowed"
    for path in ("0000000000000", "0000000000000/events", "0000000000000/results"):
        status, _, body = server.ask("GET", f"/v1/jobs/{path}")
        assert (status, body["code"]) == (404, "job-not-found")
    for path in ("x", "0000000000000/more", "000000000000I", "0000000000000/", "../jobs"):
        assert server.ask("GET", f"/v1/jobs/{path}")[2]["code"] == "not-found", path
    status, headers, _ = server.ask("POST", "/v1/jobs/0000000000000", b"")
    assert status == 405 and headers["Allow"] == "GET, HEAD, DELETE, OPTIONS"


def figure(server, name):
    return next(float(line.split()[-1]) for line in server.ask("GET", "/metrics")[2].decode().splitlines() if line.startswith(name))


def test_jobs_have_bounded_memory(make_picture):
    """A picture that is still to be done counts its buffer, 64 KiB at least."""
    pictures = [(f"{i}.jpg", make_picture(seed=i)) for i in range(9)]
    with serving("--max-jobs", "1M", "--cache", "0") as server:
        status, _, problem = post(server, pictures * 2)
        assert (status, problem["code"], problem["limit_bytes"]) == (413, "body-too-large", 1 << 20) and "--max-jobs" in problem["detail"]
        with slowed(server):
            first = post(server, pictures)[2]
            status, headers, problem = post(server, pictures)
            assert (status, problem["code"], headers["Retry-After"]) == (429, "queue-full", "1") and "--max-jobs" in problem["detail"]
        assert ended(server, first["links"]["self"])["done"] == 9
        assert figure(server, 'anytag_queue_rejected_total{reason="jobs"}') == 1
        # jobs that have ended leave for new ones, the oldest first
        told = [first] + [post(server, pictures[:2], threshold="0")[2] for _ in range(1)]
        while server.ask("GET", first["links"]["self"])[0] == 200 and len(told) < 60:
            assert ended(server, told[-1]["links"]["self"])["state"] == "finished"
            told.append(post(server, pictures[:2], threshold="0")[2])
        assert 2 < len(told) < 60 and ended(server, told[-1]["links"]["self"])["done"] == 2
        assert 0 < figure(server, "anytag_jobs_bytes") <= 1 << 20
        for job in told:
            server.ask("DELETE", job["links"]["self"])
        assert figure(server, "anytag_jobs_bytes") == 0


def test_records_that_find_no_room_are_told(make_picture):
    with serving("--max-jobs", "700K", "--cache", "0") as server:
        job = post(server, [(f"{i}.jpg", make_picture(seed=i)) for i in range(10)], threshold="0", scores="1")[2]
        state = ended(server, job["links"]["self"])
        records = [json.loads(x) for x in server.ask("GET", job["links"]["results"])[2].splitlines()]
        failed = [r["error"] for r in records if "error" in r]
        assert state["state"] == "finished" and len(records) == 10 and 0 < len(failed) == state["failed"] < 10
        assert all(e["code"] == "out-of-memory" and "--max-jobs" in e["detail"] for e in failed)


def test_keys_keep_jobs_apart(tmp_path, jpeg):
    (tmp_path / "keys").write_text("the-first-key\nthe-second-key\n")
    one, two = ({"Authorization": f"Bearer the-{k}-key"} for k in ("first", "second"))
    with serving("--api-key-file", tmp_path / "keys", "--api-prefix", "/p") as server:
        body, headers = form([("image", "a.jpg", jpeg)])
        told = server.ask("POST", "/p/v1/jobs", body, headers | one)[2]
        bare = told["links"]["self"].split("?")[0]
        assert bare.startswith("/p/v1/jobs/") and ended(server, bare, one)["state"] == "finished"
        assert server.ask("GET", bare, headers=two)[0] == 404 and server.ask("GET", bare)[0] == 401
        for link in told["links"].values():  # with its token, and without a key
            assert server.ask("GET", link)[0] == 200
            assert server.ask("GET", link[:-1] + ("0" if link[-1] != "0" else "1"))[0] == 401
        other = server.ask("POST", "/p/v1/jobs", body, headers | one)[2]
        wrong = other["links"]["self"].split("?")[0] + "?" + told["links"]["self"].split("?")[1]
        assert server.ask("GET", wrong)[0] == 401  # a token opens its job alone
        assert server.ask("GET", "/p/v1/models?" + told["links"]["self"].split("?")[1])[0] == 401


def test_singles_go_on_beside_a_job(server, make_picture):
    job = post(server, [(f"{i}.jpg", make_picture(seed=100 + i)) for i in range(12)])[2]
    alone = server.ask("POST", "/v1/tag", make_picture(seed=1000), JPEG)
    assert alone[0] == 200
    ended(server, job["links"]["self"])
    again = server.ask("POST", "/v1/tag", make_picture(seed=1000), JPEG)
    assert without_times(again[2]) == without_times(alone[2])
