/* The page about the API: sends a call as it was filled in, with the key, and shows what came back. */
"use strict";

{
  const LONGEST = 100000;
  const key = document.querySelector("#key");
  const named = ["content-type", "location", "retry-after", "marque-export", "etag", "ratelimit"];

  for (const hidden of document.querySelectorAll("[data-key], [data-script]")) hidden.hidden = false;

  /* a link to a call opens it */
  const open = () => {
    const call = document.getElementById(location.hash.slice(1));
    if (call?.matches("details.call")) { call.open = true; call.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  open();

  const make = (tag, text, className = "") => Object.assign(document.createElement(tag), { textContent: text, className });
  const fieldsOf = (form, place) => [...form.querySelectorAll(`[data-in="${place}"]`)];

  const requestOf = (form) => {
    const url = new URL(form.getAttribute("action"), location.href);
    let path = decodeURI(url.pathname);
    for (const field of fieldsOf(form, "path")) path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    const query = new URLSearchParams(fieldsOf(form, "query").filter((field) => field.value).map((field) => [field.name, field.value]));
    const headers = key.value ? { Authorization: `Bearer ${key.value.trim()}` } : {};
    for (const field of fieldsOf(form, "header")) if (field.value) headers[field.name] = field.value;
    const request = { method: form.dataset.call, headers, credentials: "omit" };
    const body = fieldsOf(form, "body")[0];
    if (body) { request.body = body.value; headers["Content-Type"] = "application/json"; }
    if (form.enctype === "multipart/form-data") request.body = new FormData(form);
    return [`${path}${query.size ? `?${query}` : ""}`, request];
  };

  const shown = async (answer) => {
    const type = answer.headers.get("content-type") ?? "";
    if (type.startsWith("image/")) {
      const image = make("img", "");
      image.alt = "The picture that came back";
      image.src = URL.createObjectURL(await answer.blob());
      return image;
    }
    const text = await answer.text();
    if (!text) return make("p", "Nothing more: the status says it all.", "quiet");
    const pretty = /json/.test(type) && !/jsonl/.test(type) ? JSON.stringify(JSON.parse(text), null, 2) : text;
    const box = make("pre", "", "code");
    box.tabIndex = 0;
    box.append(make("code", pretty.length > LONGEST ? `${pretty.slice(0, LONGEST)}\n…` : pretty));
    return box;
  };

  for (const form of document.querySelectorAll("form[data-call]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [said, heard] = [form.querySelector(".said"), form.querySelector(".heard")];
      const button = form.querySelector("button");
      const [address, request] = requestOf(form);
      const began = performance.now();
      button.disabled = true;
      try {
        const answer = await fetch(address, request);
        const took = Math.round(performance.now() - began);
        const line = make("p", "");
        line.append(make("b", `${answer.status} ${answer.statusText}`, answer.ok ? "" : "error"), ` in ${took} ms: ${request.method} ${address}`);
        const headers = named.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`).join(" · ");
        said.replaceChildren(line);
        heard.replaceChildren(make("p", headers, "small quiet"), await shown(answer));
      } catch (error) {
        heard.replaceChildren();
        said.replaceChildren(make("p", `No answer came: ${error.message}. Nothing is known about what was done; look before you send it again.`, "note is-error"));
      } finally {
        button.disabled = false;
      }
    });
  }
}
