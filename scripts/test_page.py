"""Drives the emulator's page in Chromium: `test_page.py EMULATOR [SCREENSHOT]`.

A function in shell is invoked from the page, well and ill; what the page shows is compared with what happened.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

PATIENCE_S = 600

# A runtime: gives the event back, fails, prints, hangs or dies, as the event says.
FUNCTION = r"""
import json, os, sys, time, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as reply:
        id, event = reply.headers["Lambda-Runtime-Aws-Request-Id"], reply.read()
    kind = json.loads(event).get("do")
    if kind == "import":
        import no_such_library
    if kind == "exit":
        os._exit(3)
    if kind == "hang":
        time.sleep(1000)
    print("event", kind, flush=True)
    urllib.request.urlopen(urllib.request.Request(api + id + "/response", data=event))
"""


def main(emulator, screenshot):
    options = webdriver.ChromeOptions()
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.NamedTemporaryFile("w", suffix=".py") as function:
        function.write(FUNCTION)
        function.flush()
        command = [emulator, "--listen", "127.0.0.1:0", "--timeout", "2", "--", sys.executable, function.name]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            ready = json.loads(server.stdout.readline().removeprefix("ready "))
            browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
            try:
                drive(browser, f"http://{ready['listen']}/", screenshot)
                # A browser asks for an icon, and one event is no JSON.
                expected = ("favicon.ico", "status of 400")
                log = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
                odd = [message for message in log if not any(part in message for part in expected)]
                assert log and not odd, log
            finally:
                browser.quit()
        finally:
            server.terminate()
            server.wait()


def drive(browser, address, screenshot):
    def until(look):
        # There may be no dialog yet.
        return WebDriverWait(browser, PATIENCE_S, ignored_exceptions=[NoAlertPresentException]).until(lambda _: look())

    def send(event):
        """Sends an event by the keyboard, and gives the article of its invocation when that is over."""
        before = {article.get_attribute("id") for article in articles()}
        field = browser.find_element(By.ID, "event")
        field.clear()
        field.send_keys(event)
        field.send_keys(Keys.CONTROL, Keys.ENTER)
        until(lambda: any(article.get_attribute("id") not in before and "running" not in article.text for article in articles()))
        article = next(article for article in articles() if article.get_attribute("id") not in before)
        return article

    def articles():
        return browser.find_elements(By.TAG_NAME, "article")

    def text(article):
        return article.get_property("textContent")

    browser.get(address)
    until(lambda: browser.find_element(By.ID, "state").text == "watching")

    good = text(send('{"do":"well"}'))
    assert "ok" in good and '{"do":"well"}' in good and "event well" in good and "run " in good, good
    answer = until(lambda: browser.find_element(By.CSS_SELECTOR, "#answer h2").text)
    assert answer.startswith("200"), answer

    for event, parts in [
        ('{"do":"import"}', ["failed", "Runtime.ExitError", "No module named 'no_such_library'"]),
        ('{"do":"exit"}', ["failed", "Runtime.ExitError", "exit status 3"]),
        ('{"do":"hang"}', ["failed", "Sandbox.Timedout", "Task timed out after 2.00 seconds"]),
    ]:
        shown = text(send(event))
        for part in parts:
            assert part in shown, (part, shown)

    # No invocation comes of what is no JSON.
    field = browser.find_element(By.ID, "event")
    field.clear()
    field.send_keys("{", Keys.CONTROL, Keys.ENTER)
    until(lambda: "InvalidRequestContentException" in browser.find_element(By.ID, "answer").text)

    # Send again, and have it as a command.
    count = len(articles())
    first = articles()[-1]
    first.find_element(By.TAG_NAME, "summary").click()
    first.find_element(By.XPATH, ".//button[text()='Send again']").click()
    until(lambda: len(articles()) == count + 1)
    first = articles()[-1]
    copy = until(lambda: first.find_element(By.XPATH, ".//button[starts-with(text(),'Cop')]"))
    copy.click()
    until(lambda: copy.text == "Copied" or "curl -d" in text(first))

    # Events are saved by names, in the browser, and one of a name replaces another.
    def save(name, event):
        field = browser.find_element(By.ID, "event")
        field.clear()
        field.send_keys(event)
        browser.find_element(By.ID, "save").click()
        prompt = until(lambda: browser.switch_to.alert)
        prompt.send_keys(name)
        prompt.accept()

    def saved():
        return [option.text for option in Select(browser.find_element(By.ID, "saved")).options]

    def chosen(name):
        Select(browser.find_element(By.ID, "saved")).select_by_visible_text(name)
        return browser.find_element(By.ID, "event").get_property("value")

    for name, event in (("order", '{"do":"old"}'), ("mail", '{"do":"mail"}'), ("order", '{"do":"order"}')):
        save(name, event)
    assert saved() == ["–", "order", "mail"], saved()
    assert chosen("order") == '{"do":"order"}', chosen("order")

    # A page that is opened later has what was before.
    browser.refresh()
    until(lambda: len(articles()) == count + 1)
    assert saved() == ["–", "order", "mail"], saved()
    assert chosen("mail") == '{"do":"mail"}', chosen("mail")

    for scheme in ("dark", "light"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(255, 255, 255)") == (scheme == "light"), (scheme, colour)
    if screenshot:
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 60})
        Path(screenshot).write_bytes(base64.b64decode(shot["data"]))
    print(f"page: {count + 1} invocations shown as they were")


if __name__ == "__main__":
    os.environ.setdefault("SE_OFFLINE", "true")
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
