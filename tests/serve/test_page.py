"""The web page in a real browser: every screen and state, by keys alone, against the program's own answers."""
import http.server
import io
import json
import pathlib
import signal
import threading
import urllib.parse
import zipfile

import browser
import pytest
from serving import JPEG, program, serving, slowed, until

WEB = pathlib.Path(__file__).parents[2] / "web"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("downloads")
    driver = browser.start(downloads)
    yield browser.Page(driver, downloads)
    driver.quit()


@pytest.fixture
def page(chromium, server):
    chromium.open(server.url + "/")
    chromium.complaints()
    return chromium


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, make_picture):
    where = tmp_path_factory.mktemp("pictures")
    for i in range(5):
        (where / f"p{i}.jpg").write_bytes(make_picture(seed=40 + i, size=(320, 240)))
    (where / "cat.jpg").write_bytes((WEB / "examples/cat.jpg").read_bytes())
    (where / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return where


def cli(path, *args):
    return json.loads(program.run("tag", "--no-config", "-q", "-f", "jsonl", *args, path).stdout)["tags"]


def shown(tags):
    return [(t["name"], "1.00" if t["score"] >= 0.9995 else f"{t['score']:.2f}") for t in tags]


def test_keys_alone_from_picture_to_file(page, server, pictures):
    page.shot("empty")
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    tags = cli(pictures / "cat.jpg")
    assert page.tags() == shown(tags) and len(tags) > 3
    page.shot("try")
    page.js("document.querySelector('.tag input[tabindex=\"0\"]').focus()")
    page.keys("Down", "Space", "Down", "Del")  # ticks the second, removes the third
    assert [n for n, _ in page.tags()] == [t["name"] for i, t in enumerate(tags) if i != 2]
    assert page.js("document.activeElement.closest('.tag')?.tag.name") == tags[3]["name"], "the focus stays in the list"
    page.requests()
    page.keys("l", "l")  # both, EN, 中文
    assert page.texts(".tag .names")[0].strip() == tags[0]["name_zh"] and page.js("document.querySelector('.names span').lang") == "zh-CN"
    page.keys("[", "[", "l")
    assert page.texts(".threshold output")[0] != "auto"
    assert not [url for url in page.questions() if "heatmap" not in url], "the slider and the names ask nothing"  # a focused tag may still get its map
    page.keys("/")
    page.js("document.querySelector('.field input').focus()")
    page.keys("zzz thing", "Enter")
    assert page.tags()[0][0] == "zzz thing"
    page.js("document.activeElement.blur()")
    page.keys("e")
    page.js("document.querySelector('dialog')") and page.shot("export")
    record = json.loads(page.download("JSON Lines").read_text())
    assert record["schema"] == "anytag.result/1" and record["corrections"] == {"added": ["zzz thing"], "removed": [tags[2]["name"]], "confirmed": [tags[1]["name"], "zzz thing"]}
    assert [t["name"] for t in record["tags"]] == [n for n, _ in page.tags()]
    page.keys("?")
    assert "Single-letter" in page.texts("dialog")[0]
    page.keys("Esc")
    page.until("!document.querySelector('dialog')", "the list of keys is gone")
    assert page.complaints() == []


def test_the_slider_asks_nothing(page, pictures):
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    page.requests()
    for level in (0.3, 0.05, 0.9):
        page.slide(level)
        want = shown(cli(pictures / "cat.jpg", "-t", str(level)))
        assert page.tags() == want[:150], level  # more are behind a button
    page.slide(1)
    assert "Nothing above 1.00" in page.texts(".nothing")[0] and "The best is animal" in page.texts(".nothing")[0]
    page.shot("nothing-above")
    page.click(".nothing button")
    assert len(page.tags()) == 1
    page.click(".threshold button")
    assert page.tags() == shown(cli(pictures / "cat.jpg")) and page.texts(".threshold output") == ["auto"]
    assert page.questions() == []


def test_other_states_of_a_picture(page, server, pictures):
    page.add(pictures / "torn.jpg")
    said = page.until("document.querySelector('.failure')?.innerText", "the problem")
    problem = server.ask("POST", "/v1/tag", (pictures / "torn.jpg").read_bytes(), {"Content-Type": "image/jpeg"})[2]
    assert problem["title"] in said and problem["detail"].split(": ", 1)[1] in said and "Try again" in said
    page.until("document.querySelector('.stage .unseen').innerText === 'This file is no picture that can be read.'", "no promise that the server might")
    page.shot("failed")
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    if page.js("document.querySelector('.field + .field') !== null"):
        page.js("document.querySelector('.field + .field input').focus()")
        page.keys("red bicycle", "Enter")
        said = page.until("document.querySelector('#words-problem:not([hidden])')?.innerText ?? document.querySelector('.weak .tag, .kind')?.innerText", "an answer to own words")
        assert "encoder" in said, "this server has none, and says so"
    page.js("document.querySelector('.tag input').click()")
    page.js("[...document.querySelectorAll('section.card button')].find(b => b.textContent.includes('ticked')).click()")
    said = page.until("document.querySelector('blockquote p')?.innerText", "a caption")
    theirs = json.loads(program.run("caption", "--no-config", "-q", "-f", "jsonl", "--guide", page.tags()[0][0], pictures / "cat.jpg").stdout)
    assert said == theirs["captions"][0]["text"]
    page.shot("caption")


# What a server with a text encoder says, and one without heat maps.
WORDS = """(real => { window.fetch = async (url, options) => {
  const words = options?.body?.get?.('custom');
  if (!words) return real(url, options);
  const tags = words.split(',').map(name => ({id: null, name, score: name.includes('party') ? 0.02 : 0.91, threshold: 0, origin: 'custom'}));
  return Response.json({schema: 'anytag.result/1', source: {name: 'x'}, model: [], tags});
}; })(window.fetch)"""
NO_HEAT = """(real => { window.asked = []; window.fetch = async (url, options) => {
  asked.push(url);
  if (url !== 'openapi.json') return real(url, options);
  const api = await (await real(url, options)).json();
  delete api.paths['/v1/heatmap'];
  return Response.json(api);
}; })(window.fetch)"""


def test_own_words(page, pictures):
    page.js(WORDS)
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    page.keys("/", "red bicycle, a party", "Enter")
    page.until("document.querySelector('.weak .tag')", "the words")
    assert ("red bicycle", "0.91") in page.tags() and page.texts(".weak .names")[0].startswith("a party")
    assert page.texts(".chips .chip") == ["red bicycle", "a party"]
    page.shot("words")
    page.add(pictures / "p0.jpg")
    page.until("document.querySelector('.name').innerText === 'p0.jpg' && document.querySelector('.weak .tag')", "the words of the next picture")
    page.click(".chips .chip")
    assert page.texts(".chips .chip") == ["a party"] and not page.tags()


def test_heat_map(page, server, pictures):
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    page.js("document.querySelector('.tag input').focus()")
    page.until("document.querySelector('.over canvas')", "the heat map")
    colours = page.js("new Set(new Uint32Array(document.querySelector('.over canvas').getContext('2d').getImageData(0, 0, 60, 60).data.buffer)).size")
    tag = urllib.parse.quote(page.js("document.querySelector('.tag').tag.name"))
    most = float(server.ask("POST", "/v1/heatmap?tag=" + tag, (pictures / "cat.jpg").read_bytes(), JPEG)[1]["X-Anytag-Max"])
    low, high = page.texts(".legend")[0].split()
    assert colours > 8 and low == "0" and abs(float(high) - most) < 0.06  # in logits, which may go beyond 1
    assert page.texts(".which") == [page.js("document.querySelector('.tag').tag.name + ' ' + document.querySelector('.tag').tag.zh")]
    page.shot("heat")
    page.requests()
    page.keys("h")
    assert not page.all(".over canvas") and page.texts(".legend") == []
    page.keys("h")
    page.until("document.querySelector('.over canvas')", "the heat map again")
    page.keys("Enter")  # stays when another is no longer looked at
    page.js("document.activeElement.blur()")
    page.until("document.querySelector('.pinned') && document.querySelector('.over canvas')", "the pinned heat map")
    page.js("(o => { o.value = 0.3; o.dispatchEvent(new Event('input')); })(document.querySelector('.opacity input'))")
    assert page.js("getComputedStyle(document.querySelector('.over')).opacity") == "0.3"
    page.keys("Esc")
    page.until("!document.querySelector('.over canvas')", "no heat map")
    assert page.questions() == [], "it was kept"
    assert page.complaints() == [] and page.unnamed() == []
    page.js("localStorage.clear()")


def test_boxes(page, server, pictures):
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    assert not page.all(".boxes li")
    page.requests()
    page.keys("b")
    page.until("document.querySelector('.boxes li')", "boxes")
    record = server.ask("POST", "/v1/tag?boxes=1", (pictures / "cat.jpg").read_bytes(), JPEG)[2]
    source, objects = record["source"], record["objects"]
    assert sorted(x.split()[0] for x in page.texts(".boxes li")) == sorted(o["label"].split()[0] for o in objects)
    for o in objects:  # where the picture is on the screen
        assert page.js("""(([x0, y0, x1, y1], w, h) => {
          const stage = document.querySelector('.stage').getBoundingClientRect(), k = Math.min(stage.width / w, stage.height / h);
          const left = stage.left + (stage.width - k * w) / 2, top = stage.top + (stage.height - k * h) / 2;
          return [...document.querySelectorAll('.boxes li')].map(li => li.getBoundingClientRect()).some(r => Math.abs(r.left - left - k * x0) < 2 &&
            Math.abs(r.top - top - k * y0) < 2 && Math.abs(r.right - left - k * x1) < 2 && Math.abs(r.bottom - top - k * y1) < 2);
        })(...arguments)""", o["box"], source["width"], source["height"]), o
    page.shot("boxes")
    page.js("document.querySelector('.tag input').focus()")  # its own alone
    name = page.js("document.querySelector('.tag').tag.name")
    page.until(f"[...document.querySelectorAll('.boxes li')].every(li => li.innerText.startsWith('{name}'))", "the boxes of one tag")
    page.until("document.querySelector('.over canvas')", "its map")
    page.js("document.activeElement.blur()")
    page.keys("b")
    assert not page.all(".boxes li") and not page.js("document.querySelector('.boxed input').checked")
    assert page.complaints() == [] and page.unnamed() == []
    page.js("localStorage.clear()")


def test_files_that_are_no_pictures_are_named(page):
    page.js("""(d => {
      for (const [name, type] of [['notes.txt', 'text/plain'], ['a.pdf', 'application/pdf'], ['b.png', 'image/png']]) d.items.add(new File(['x'], name, {type}));
      document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: d, bubbles: true, cancelable: true}));
    })(new DataTransfer())""")
    said = page.until("document.querySelector('.toast')?.innerText", "what was left out")
    assert said == "2 files are no pictures and were left out: notes.txt, a.pdf"
    page.until("document.querySelector('.failure h3')", "the third is none either, which the server sees")
    assert page.texts(".failure p") == ["b.png: not an image (a text file)"] or page.texts(".failure p")[0].startswith("b.png: ")


def test_no_heat_without_its_route(chromium, server, pictures):
    page = chromium
    stub = page.d.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NO_HEAT})["identifier"]
    page.open(server.url + "/")
    page.d.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": stub})
    page.add(pictures / "cat.jpg")
    page.until("document.querySelector('.tag')", "tags")
    page.js("document.querySelector('.tag input').focus()")
    page.keys("Enter")
    page.until("document.querySelector('.pinned')", "the pin")
    assert page.texts(".heatbar label") == [] and not page.all(".over canvas") and "v1/heatmap" not in page.js("asked")


def test_drop_and_paste(page):
    give = """(async how => {
      const file = new File([await (await fetch('ui/examples/coffee.jpg')).blob()], how + '.jpg', {type: 'image/jpeg'}), data = new DataTransfer();
      data.items.add(file);
      const event = how === 'drop' ? new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}) : new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true});
      document.body.dispatchEvent(event);
    })(arguments[0])"""
    for how in ("drop", "paste"):
        page.js(give, how)
        page.until(f"document.querySelector('.name')?.innerText === '{how}.jpg' && document.querySelector('.tag')", how)
    page.js("""(d => { d.items.add(new File(['x'], 'x.txt', {type: 'text/plain'})); document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: d, bubbles: true, cancelable: true})); })(new DataTransfer())""")
    assert "no picture" in page.until("document.querySelector('.toast')?.innerText", "what was dropped is no picture")


def test_a_folder(page, server, pictures):
    page.click("nav a:nth-child(2)")
    page.until("document.querySelector('.target h1')", "the screen")
    page.requests()
    page.add(*sorted(pictures.iterdir()))
    page.until("document.querySelectorAll('.cell').length === 7", "the grid")
    page.settled()
    page.until("document.querySelector('.status progress').hidden", "the end")
    asked = [url.split("/v1/")[1] for url in page.questions()]
    assert asked[0] == "jobs" and asked[1].endswith("/events") and set(asked[2:]) <= {asked[1].removesuffix("/events")}, "one job, and it is forgotten"
    assert "7 of 7 done" in page.texts(".said-progress")[0] and "1 failed" in page.texts(".said-progress")[0]
    assert len(page.all(".cell[data-state=failed]")) == 1 and "damaged" in page.texts(".cell[data-state=failed] .problem")[0].lower()
    page.shot("folder")
    page.keys("/", "cat")
    page.until("document.querySelectorAll('.cell:not([hidden])').length === 1", "the filter")
    page.js("document.querySelector('.cell:not([hidden]) > input').click()")
    page.js("document.querySelector('.selection input').focus()")
    page.keys("garden, mine", "Enter")
    page.until("document.querySelector('.cell:not([hidden]) .words').innerText.includes('mine')", "the added tags")
    page.shot("folder-selection")
    page.js("document.activeElement.blur()")
    page.keys("e")
    page.js("document.querySelectorAll('dialog [type=radio]')[1].click()")
    rows = page.download("CSV").read_text().splitlines()
    assert rows[0] == "path,tag_id,tag,tag_zh,score,threshold" and "cat.jpg,,mine,,1,0" in rows
    path = sorted(pictures.iterdir())[1]
    mine = [r.split(",")[:3] + r.split(",")[4:5] for r in rows if r.startswith(path.name)]
    assert mine == [[path.name, str(t["id"]), t["name"], f"{t['score']:.6g}"] for t in cli(path)]
    for label, ending, n in (("Text files", ".txt", 6), ("JSON files", ".jpg.json", 7)):  # the damaged one has no tags, but a record
        page.keys("e")
        page.js("document.querySelectorAll('dialog [type=radio]')[1].click()")
        with zipfile.ZipFile(page.download(label)) as archive:
            assert archive.testzip() is None
            files = {name: archive.read(name).decode() for name in archive.namelist()}
        assert len(files) == n and all(name.endswith(ending) for name in files), list(files)
        if n == 6:
            assert files["cat.txt"].startswith("garden, mine, ") and files["p0.txt"] == ", ".join(t["name"] for t in cli(pictures / "p0.jpg")) + "\n"
        else:
            assert json.loads(files["cat.jpg.json"])["corrections"]["added"] == ["garden", "mine"] and json.loads(files["torn.jpg.json"])["error"]["code"] == "damaged-image"
    page.js("document.querySelector('.cell:not([hidden]) .frame').click()")
    page.until("document.querySelector('.try .name')?.innerText === 'cat.jpg'", "the picture alone")
    assert page.texts(".tag .names")[0].startswith("garden")
    assert page.complaints() == []


def test_names_in_an_archive(page):
    """What leads elsewhere does not; equal names are told apart; letters of any kind are kept."""
    page.js("""(async () => {
      const {zip} = await import('/ui/zip.js'), blob = zip([['../a.txt', '1'], ['/a.txt', '2'], ['x/a', ''], ['x/a', '4'], ['C:\\\\..\\\\猫.txt', '猫']]);
      window.zipped = [...new Uint8Array(await blob.arrayBuffer())];
    })() && 0""")
    with zipfile.ZipFile(io.BytesIO(bytes(page.until("window.zipped", "the archive")))) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {"a.txt": "1", "a-2.txt": "2", "x/a": "", "x/a-2": "4", "C:/猫.txt": "猫"}


def many(where, make_picture, n=25, size=(200, 200), seed=500):
    for i in range(n):
        (where / f"{i:02}.jpg").write_bytes(make_picture(seed=seed + i, size=size))
    return sorted(where.iterdir())


def test_cancel_and_go_on(page, server, tmp_path, make_picture):
    with slowed(server):
        page.add(*many(tmp_path, make_picture))
        page.until("document.querySelectorAll('.cell').length === 25", "so many are a folder")
        page.click(".status .actions button")
        stopped = page.js("document.querySelectorAll('.cell[data-state=stopped]').length")
    assert stopped > 0
    page.shot("cancelled")

    def rests():
        said = server.ask("GET", "/metrics")[2].decode()
        return 'anytag_jobs{state="running"} 0' in said and 'anytag_jobs{state="cancelled"} 0' not in said
    until(rests)  # it does not work for nobody
    page.js("[...document.querySelectorAll('.status button')].find(b => b.textContent === 'Go on').click()")
    page.settled()
    assert page.texts(".said-progress")[0].startswith("25 of 25 done")


# The runner alone, with work that ends when the test says so: steps of what is done, each with what goes on after it.
RUNNER = """(async () => {
  const {Runner} = await import('/ui/runner.js'), steps = [], open = [];
  const make = n => Array.from({length: n}, (_, i) => ({name: i, file: {size: 1000}}));
  const begin = pictures => new Promise((good, bad) => open.push({pictures, good, bad}));
  let ends;
  const runner = new Runner({alone: p => begin([p]), together: (list, signal, end) => { ends = end; return begin(list); },
    told: (p, state) => { p.state = state; }, moved: () => {}, fits: () => 250000});
  const say = () => steps.push(open.map(x => `${x.pictures[0].name}+${x.pictures.length}`).join(' '));
  const finish = async (i, how, value) => { open.splice(i, 1)[0][how](value); await new Promise(setTimeout); say(); };
  const list = make(300);
  runner.push(list);
  say();
  runner.prefer(list[250]); // waits: it goes now, alone, and the latest that is looked at after it
  runner.prefer(list[60]);
  runner.prefer(list[70]);
  runner.prefer(list[1]); // as good as next already
  say();
  await finish(2, 'good');
  runner.prefer(list[70]); // is far behind in a job
  say();
  list.slice(0, 16).forEach(p => ends(p)); // another job's: nothing
  for (const p of open[0].pictures) runner.end(p);
  await finish(0, 'good');
  await finish(0, 'bad', new Error('refused'));
  steps.push(`${runner.progress().done} ${runner.progress().left} ${runner.refused.size}`);
  runner.cancel();
  steps.push(String(list.filter(p => p.state === 'stopped').length));
  open.length = 0;
  runner.clear();
  const few = make(2);
  runner.push(few);
  for (let i = 0; i < 4; i++) await finish(0, 'good'); // a server that ends every job without a record
  steps.push(few.map(p => p.state).join(' '));
  runner.fits = () => 5000;
  runner.push(make(5));
  say();
  return steps;
})()"""


def test_what_goes_together_and_what_is_next(page):
    steps = page.js(RUNNER)
    assert steps[0] == "0+16 16+100", "two jobs, the first of them small"
    assert steps[1] == "0+16 16+100 250+1" and steps[2] == "0+16 16+100", "the one that is looked at, once"
    assert steps[3] == "0+16 16+100 70+1"
    assert steps[4] == "16+100 70+1 116+100", "the next is sent while the others are at work"
    assert steps[5] == "70+1 116+100 16+1", "of a refused job each goes alone"
    assert steps[6] == "17 283 100" and steps[7] == "283"
    assert steps[8:12] == ["0+2", "0+2", "0+2", ""] and steps[12] == "stopped stopped", "but not for ever"
    assert steps[13] == "0+2 2+2", "so many bytes"


# Streams that break in the middle of their second record, again and again; `heard` is what the page has of them by then.
BROKEN = """(real => { window.heard = []; window.fetch = async (url, options) => {
  const answer = await real(url, options);
  if (!url.endsWith('/events')) return answer;
  heard.push(Number(options.headers['Last-Event-ID']));
  let left = arguments[0];
  return new Response(answer.body.pipeThrough(new TransformStream({transform(bytes, c) {
    if (left > 0) c.enqueue(bytes.slice(0, left));
    if (left > 0 && left <= bytes.length) setTimeout(() => c.error(new TypeError('network error')), 30);
    left -= bytes.length;
  }})));
}; })(window.fetch)"""


def test_a_stream_that_breaks_is_taken_up(chromium, tmp_path, make_picture):
    paths = many(tmp_path, make_picture, 3)
    with serving() as s:
        record = json.dumps(s.ask("POST", "/v1/tag?scores=1", paths[0].read_bytes(), JPEG)[2])
        chromium.open(s.url + "/")
        chromium.js(BROKEN, int(1.5 * len(record)))
        chromium.add(*paths)
        chromium.js("location.hash = '#/batch'")
        chromium.until("document.querySelectorAll('.cell[data-state=done]').length === 3", "all are done")
        heard = chromium.js("heard")
        assert heard[0] == 0 and heard == sorted(set(heard)) and len(heard) > 1


def test_one_of_a_job_is_to_blame(chromium, tmp_path, make_picture):
    paths = many(tmp_path, make_picture, 3)
    (tmp_path / "huge.png").write_bytes(make_picture("PNG", 3, (700, 500)))
    (tmp_path / "wide.jpg").write_bytes(make_picture(size=(1200, 900)))
    with serving("--max-body", "100K", "--max-pixels", "1M") as s:
        chromium.open(s.url + "/")
        chromium.js("(real => { window.fetch = (url, options) => url === 'v1/jobs' && !window.refused++ ? real('v1/jobs', {method: 'POST'}) : real(url, options); window.refused = 0; })(window.fetch)")
        chromium.complaints()
        chromium.add(*paths, tmp_path / "huge.png", tmp_path / "wide.jpg")
        chromium.js("location.hash = '#/batch'")
        chromium.until("document.querySelectorAll('.cell[data-state=done]').length === 3 && document.querySelectorAll('.cell[data-state=failed]').length === 2", "each has its end")
        assert chromium.js("[...document.querySelectorAll('.cell')].map(c => c.dataset.state)") == ["done"] * 3 + ["failed"] * 2
        huge, wide = chromium.texts(".cell .problem")
        assert "Too large to send" in huge and "102 kB" in huge and "Image too large: image too large (1.08 MP" in wide
        chromium.shot("folder-failed")
        chromium.requests()
        chromium.js("document.querySelectorAll('.cell .words button')[1].click()")
        chromium.until("document.querySelectorAll('.cell[data-state=failed]').length === 2", "again")
        assert [url.split("/v1/")[1] for url in chromium.questions()] == ["tag"], "one alone is a request"


def test_looks_and_access(page, server, pictures):
    page.add(pictures / "cat.jpg", pictures / "p0.jpg")
    page.until("document.querySelector('.tag')", "tags")
    for where in ("#/", "#/batch", "#/about"):
        page.js("location.hash = arguments[0]", where)
        page.until("document.querySelector('nav [aria-current]').getAttribute('href') === location.hash", where)
        page.settled()
        assert page.unnamed() == [], where
        assert page.js("document.querySelectorAll('h1').length") == 1 and page.js("document.querySelectorAll('main, header, nav').length") == 3
        for width, height, dark in ((1440, 900, False), (320, 700, True)):
            page.size(width, height, dark)
            assert page.pale() == [], (where, dark)
            assert page.sideways() <= 0, (where, width)
            assert page.small() == [], (where, width)
            page.shot(f"{where[2:] or 'try'}-{width}-{'dark' if dark else 'light'}")
        page.size(1200, 800)
    page.js("(s => { s.value = 'zh'; s.dispatchEvent(new Event('change')); })(document.querySelector('.language'))")
    page.until("document.documentElement.lang === 'zh-CN' && document.querySelector('nav').innerText.includes('模型')", "the other language")
    page.js("location.hash = '#/'")
    page.until("document.querySelector('.panel h2')?.innerText === '标签'", "the pictures are still there")
    page.shot("try-zh")
    page.js("localStorage.clear()")
    assert page.complaints() == []
    assert all(url.startswith((server.url + "/", "blob:" + server.url)) for url in page.requests())


class Loading(http.server.BaseHTTPRequestHandler):
    """What the server says of everything while it loads its model."""

    def do_GET(self):
        body = json.dumps({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}).encode()
        self.send_response(503)
        for header in (("Content-Type", "application/json"), ("Retry-After", "1"), ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args):
        pass


def test_the_server_goes_and_comes_back(chromium, pictures):
    page = chromium
    with serving() as s:
        port = s.port
        page.open(s.url + "/")
        page.add(pictures / "cat.jpg")
        page.until("document.querySelector('.tag')", "tags")
    page.add(pictures / "p1.jpg")
    assert "does not answer" in page.until("document.querySelector('#banner:not([hidden])')?.innerText", "the banner")
    page.keys("k")
    assert page.tags()[0][0] == "animal", "what was found stays"
    page.shot("gone")
    loading = http.server.ThreadingHTTPServer(("127.0.0.1", port), Loading)
    threading.Thread(target=loading.serve_forever, daemon=True).start()
    page.click("#banner button")
    page.until("document.querySelector('#banner').innerText.includes('being loaded')", "loading is told")
    page.shot("loading")
    loading.shutdown()
    loading.server_close()
    with serving("--port", port):
        page.click("#banner button")
        page.until("document.querySelector('#banner').hidden", "it is there again")
        page.js("document.activeElement.blur()")
        page.keys("j")
        page.until("document.querySelector('.name').innerText === 'p1.jpg' && document.querySelector('.tag, .nothing')", "the picture that waited")


def test_the_server_goes_with_a_job(chromium, tmp_path, make_picture):
    page = chromium
    paths = many(tmp_path, make_picture, 30)
    with serving("--batch", "1") as s:
        port = s.port
        page.open(s.url + "/")
        with slowed(s):
            page.add(*paths)
            page.until("document.querySelector('.cell[data-state=done]')", "the first")
            s.process.send_signal(signal.SIGTERM)  # is met at its next turn
        assert s.process.wait(program.PATIENCE) == 0, s.log()
    done = page.js("document.querySelectorAll('.cell[data-state=done]').length")
    assert done < 30
    page.until("document.querySelector('#banner:not([hidden])')", "the banner")
    assert not page.all(".cell[data-state=failed]")
    assert "a second" not in page.texts(".said-progress")[0] and page.texts(".said-progress")[0].startswith(f"{done} of 30 done")
    page.shot("folder-gone")
    with serving("--port", port):
        page.click("#banner button")
        page.until("document.querySelectorAll('.cell[data-state=done]').length === 30", "all of them")
        assert page.texts(".said-progress")[0].startswith("30 of 30 done")


def test_a_key_and_a_small_server(chromium, pictures, tmp_path, make_picture):
    page = chromium
    (tmp_path / "keys").write_text("correct horse\n")
    (tmp_path / "large.png").write_bytes(make_picture("PNG", 3, (700, 500)))
    with serving("--api-key-file", tmp_path / "keys", "--max-body", "100K", "--api-prefix", "/tags") as s:
        page.open(s.url)
        page.until("document.querySelector('dialog.key input')", "the question")
        page.shot("key")
        page.keys("wrong battery", "Enter")
        page.until("document.querySelector('dialog.key .problem:not([hidden])')", "no")
        page.js("document.querySelector('dialog.key input').value = ''")
        page.keys("correct horse", "Enter")
        page.until("document.querySelector('.target h1')", "yes")
        page.complaints()
        page.add(tmp_path / "large.png")
        said = page.until("document.querySelector('.failure')?.innerText", "too large")
        assert "Too large" in said and page.complaints() == [], "nothing was sent"
        page.shot("too-large")
        page.click(".failure button")
        page.until("document.querySelector('.tag, .nothing')", "the smaller one")
        assert page.complaints() == []
