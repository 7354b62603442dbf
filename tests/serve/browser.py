"""A headless Chromium for the tests of the web page; what it may not do is noticed by look()."""
import json
import os
import pathlib
import time

import pytest
from serving import program

OUT = pathlib.Path(os.path.abspath(program.BIN)).parents[1] / "page"  # screenshots


def start(downloads):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (tools/deps.sh browser)")
    from selenium.webdriver.chrome.service import Service
    if b"__asan_init" in pathlib.Path(program.BIN).read_bytes() or b"__tsan_init" in pathlib.Path(program.BIN).read_bytes():
        pytest.skip("the page is the same bytes under a sanitizer; its routes are tested there without a browser")
    for needed in ("/usr/bin/chromium", "/usr/bin/chromedriver"):
        if not os.path.exists(needed):
            pytest.skip(f"{needed} is not installed (tools/deps.sh browser)")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in "--headless=new --no-sandbox --disable-dev-shm-usage --window-size=1200,800 --force-device-scale-factor=1 --hide-scrollbars --lang=en --disable-gpu".split():
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    return driver


class Page:
    def __init__(self, driver, downloads):
        self.d, self.downloads = driver, downloads
        OUT.mkdir(exist_ok=True)

    def open(self, url, fresh=True):
        self.size(1200, 800)
        if fresh:
            self.d.get("about:blank")
            self.requests()
        self.d.get(url)
        self.until("document.querySelector('main h1, .failure, dialog.key, #banner:not([hidden])')", "the page starts")

    def js(self, code, *args):
        return self.d.execute_script("return " + code, *args)

    def until(self, code, what):
        end = time.monotonic() + program.PATIENCE
        while not (got := self.js(code)):
            assert time.monotonic() < end, f"not within {program.PATIENCE} s: {what}\n{self.js('document.body.innerText')[:800]}\n{self.d.get_log('browser')}"
            time.sleep(0.03)
        return got

    def all(self, css):
        return self.d.find_elements("css selector", css)

    def one(self, css):
        return self.d.find_element("css selector", css)

    def click(self, css):
        self.js("document.querySelector(arguments[0]).click()", css)

    def texts(self, css):
        return self.js("[...document.querySelectorAll(arguments[0])].filter(e => e.getClientRects().length).map(e => e.innerText)", css)

    def keys(self, *keys):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.common.keys import Keys
        names = {"Down": Keys.ARROW_DOWN, "Up": Keys.ARROW_UP, "Del": Keys.DELETE, "Esc": Keys.ESCAPE, "Enter": Keys.ENTER, "Space": " ", "Tab": Keys.TAB}
        for key in keys:
            try:
                self.d.switch_to.active_element.send_keys(names.get(key, key))
            except StaleElementReferenceException:  # drawn anew between the two steps: nothing was sent
                self.d.switch_to.active_element.send_keys(names.get(key, key))

    def add(self, *paths):
        """By the key of the file dialog, whose field a test can fill."""
        self.js("document.activeElement.blur()")
        self.keys("o")
        self.one("#files").send_keys("\n".join(map(str, paths)))

    def settled(self):
        self.until("!document.querySelector('.skeleton, .cell[data-state=waiting], .cell[data-state=working]')", "the pictures are done")

    def tags(self):
        """[(name, score as shown)] of the picture on the screen"""
        return [tuple(x) for x in self.js("[...document.querySelectorAll('.tags:not(.weak) .tag')].map(li => [li.tag.name, li.querySelector('.score').textContent])")]

    def slide(self, value):
        self.js("(x => { x.value = arguments[0]; x.dispatchEvent(new Event('input')); })(document.querySelector('.threshold input'))", value)

    def size(self, width, height, dark=False):
        self.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
        self.d.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                                                                           {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def shot(self, name):
        self.d.save_screenshot(str(OUT / f"{name}.png"))

    def requests(self):
        """Addresses asked for since the last call."""
        found = []
        for entry in self.d.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return [url for url in found if url.startswith("http")]

    def questions(self):
        """Those that ask the server of pictures; its icon may come late."""
        return [url for url in self.requests() if "/v1/" in url]

    def complaints(self):
        """What the console has of errors, the policy's reports among them, since the last call."""
        return [e["message"] for e in self.d.get_log("browser") if e["level"] == "SEVERE" or "Content Security Policy" in e["message"]]

    def download(self, label):
        for old in self.downloads.iterdir():
            old.unlink()
        self.js("[...document.querySelectorAll('dialog .format button')].find(b => b.textContent === arguments[0]).click()", label)
        end = time.monotonic() + program.PATIENCE
        while not (files := [p for p in self.downloads.iterdir() if p.suffix != ".crdownload"]):
            assert time.monotonic() < end, f"no file of {label}"
            time.sleep(0.05)
        return files[0]

    def unnamed(self):
        """Controls that a screen reader could not tell from others."""
        tree = self.d.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        roles = {"button", "link", "checkbox", "radio", "slider", "textbox", "searchbox", "combobox", "ComboBoxMenuSelect", "dialog", "image", "progressbar", "list", "region", "navigation"}
        allowed = {"list"}  # of words in a row, said by their items
        return [n["role"]["value"] for n in tree if not n.get("ignored") and n.get("role", {}).get("value") in roles - allowed and not n.get("name", {}).get("value", "").strip()]

    def pale(self):
        """Texts whose contrast with the ground behind them is below 4.5:1, and how much it is."""
        return self.js(CONTRAST)

    def sideways(self):
        return self.js("document.documentElement.scrollWidth - innerWidth")

    def small(self):
        """Controls smaller than 24 x 24 pixels."""
        return self.js("""[...document.querySelectorAll('button, a[href], select, input')].filter(e => e.getClientRects().length && !e.closest('.hidden, [inert]') && !e.matches('.hidden, .skip, p a'))
            .filter(e => { const r = (e.closest('label') ?? e).getBoundingClientRect(); return r.width < 24 || r.height < 24; }).map(e => e.outerHTML.slice(0, 100))""")


# Every element with text of its own, its colour over the first ground that is not clear; over pictures none is judged.
CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const lum = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => {
    const layers = [];
    for (let x = e; x; x = x.parentElement) { const c = rgba(getComputedStyle(x).backgroundColor); layers.push(c); if (c[3] === 255) break; }
    return layers.reduceRight((under, c) => c.slice(0, 3).map((v, i) => v * c[3] / 255 + under[i] * (1 - c[3] / 255)), [255, 255, 255]);
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join('').trim();
    if (!text || !e.getClientRects().length || e.matches(':disabled, :disabled *, option, .hidden, .live')) continue;
    const grounds = [ground(e)];
    const row = e.closest('.tag');
    if (row) { const bar = row.querySelector('.bar'), style = getComputedStyle(bar), c = rgba(style.backgroundColor), a = Number(style.opacity); grounds.push(c.slice(0, 3).map((v, i) => v * a + grounds[0][i] * (1 - a))); }
    for (const g of grounds) {
      const [a, b] = [lum(rgba(getComputedStyle(e).color).slice(0, 3)), lum(g)], ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
      if (ratio < 4.5) bad.push(`${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
  }
  return bad;
})()"""
