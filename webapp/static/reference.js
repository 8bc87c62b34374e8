/* The page about the API: sends a call as it was filled in, with the key, and shows the answer. */
"use strict";

{
  const LONGEST = 100000;
  const SHOWN_HEADERS = [
    "content-type", "location", "retry-after", "marque-export", "etag", "ratelimit",
  ];
  const key = document.querySelector("#key");

  for (const hidden of document.querySelectorAll("[data-key], [data-script]")) {
    hidden.hidden = false;
  }

  /* a link to a call opens it */
  const open = () => {
    const call = document.getElementById(location.hash.slice(1));
    if (call?.matches("details.call")) {
      call.open = true;
      call.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();

  const make = (tag, text, className = "") =>
    Object.assign(document.createElement(tag), { textContent: text, className });
  const fieldsOf = (form, place) =>
    [...form.querySelectorAll(`[data-in="${place}"]`)].filter((field) => field.value);

  const requestOf = (form) => {
    const url = new URL(form.getAttribute("action"), location.href);
    let path = decodeURI(url.pathname);
    for (const field of fieldsOf(form, "path")) {
      path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    }
    const pairs = (place) => fieldsOf(form, place).map((field) => [field.name, field.value]);
    const query = new URLSearchParams(pairs("query"));
    const headers = Object.fromEntries(pairs("header"));
    if (key.value) headers.Authorization = `Bearer ${key.value.trim()}`;
    const request = { method: form.dataset.call, headers, credentials: "omit" };
    const body = form.querySelector('[data-in="body"]');
    if (body) {
      request.body = body.value;
      headers["Content-Type"] = "application/json";
    }
    if (form.enctype === "multipart/form-data") request.body = new FormData(form);
    return [`${path}${query.size ? `?${query}` : ""}`, request];
  };

  const contentOf = async (answer) => {
    const type = answer.headers.get("content-type") ?? "";
    if (type.startsWith("image/")) {
      const image = make("img", "");
      image.alt = "The picture that came back";
      image.src = URL.createObjectURL(await answer.blob());
      return image;
    }
    const text = await answer.text();
    if (!text) return make("p", "The answer has no content.", "quiet");
    const isJson = /json/.test(type) && !/jsonl/.test(type);
    const pretty = isJson ? JSON.stringify(JSON.parse(text), null, 2) : text;
    const cut = pretty.length > LONGEST ? `${pretty.slice(0, LONGEST)}\n…` : pretty;
    const box = make("pre", "", "code");
    box.tabIndex = 0;
    box.append(make("code", cut));
    return box;
  };

  const send = async (form) => {
    const [status, content] = form.querySelectorAll(".answer-status, .answer-body");
    const [address, request] = requestOf(form);
    const startedAt = performance.now();
    try {
      const answer = await fetch(address, request);
      const elapsed = Math.round(performance.now() - startedAt);
      const line = make("p", "");
      line.append(
        make("b", `${answer.status} ${answer.statusText}`, answer.ok ? "" : "error"),
        ` in ${elapsed} ms: ${request.method} ${address}`,
      );
      const headers = SHOWN_HEADERS.filter((name) => answer.headers.has(name))
        .map((name) => `${name}: ${answer.headers.get(name)}`).join(" · ");
      status.replaceChildren(line);
      content.replaceChildren(make("p", headers, "small quiet"), await contentOf(answer));
    } catch (error) {
      content.replaceChildren();
      status.replaceChildren(make(
        "p",
        `No answer came: ${error.message}. It is not known whether the call was carried out; ` +
          "check before you send it again.",
        "note is-error",
      ));
    }
  };

  for (const form of document.querySelectorAll("form[data-call]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button:not([type])");
      button.disabled = true;
      await send(form);
      button.disabled = false;
    });
  }
}
