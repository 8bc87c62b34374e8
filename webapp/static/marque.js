/* Marque's script. Every page works without it; it adds dragging, pasting, progress, keys, picking
   a range, local times. */
"use strict";

const select = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/* ---- theme: change the page at once, remember it in the background ---- */
for (const form of all(".themes")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    document.documentElement.dataset.theme = data.get("theme");
    select(`.to-${data.get("theme") === "dark" ? "light" : "dark"}`, form).focus();
    fetch(form.action, {
      method: "POST",
      body: data,
      headers: { Accept: "application/json" },
    }).catch(() => {});
  });
}

/* ---- times in the reader's own zone ---- */
const localTimes = (within) => {
  for (const time of all("time[data-time]", within)) {
    const moment = new Date(time.dateTime);
    const now = new Date();
    const thisYear = moment.getFullYear() === now.getFullYear();
    const style = time.dataset.time;
    const day =
      moment.toDateString() === now.toDateString() && style === "when"
        ? "Today"
        : moment.toLocaleDateString("en-GB", {
            day: "numeric",
            month: style === "when" ? "short" : "long",
            ...(thisYear ? {} : { year: "numeric" }),
          });
    time.textContent =
      style === "when"
        ? `${day}, ${moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`
        : day;
    time.title = moment.toLocaleString();
  }
};
localTimes(document);

/* ---- a filter form sends only what is set, so that its address stays short ---- */
for (const form of all("form[data-tidy]")) {
  form.addEventListener("submit", () => {
    const empty = all("input, select", form).filter((field) => field.name && !field.value);
    for (const field of empty) field.disabled = true;
    setTimeout(() => {
      for (const field of empty) field.disabled = false;
    });
  });
}

/* ---- only labels of the chosen model can be given; without a script the server says so ---- */
for (const choice of all("select[data-models]")) {
  const labels = select(`#${choice.dataset.models}`);
  const fit = () => {
    for (const group of all("optgroup", labels))
      group.hidden = group.disabled =
        !["", "all", group.dataset.model].includes(choice.value);
    if (labels.selectedOptions[0]?.parentElement.disabled) labels.value = "";
  };
  choice.addEventListener("change", fit);
  addEventListener("pageshow", fit);
}

/* ---- keys: an element with aria-keyshortcuts is pressed by that key, or focused to type ---- */
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-stay]")) {
    event.preventDefault();
    event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  // Enter presses what has the focus.
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  const button = all("[aria-keyshortcuts]").find((each) =>
    each.getAttribute("aria-keyshortcuts").split(" ").includes(event.key),
  );
  if (!button || button.disabled) return;
  event.preventDefault();
  if (!button.matches("input")) {
    button.click();
    return;
  }
  const folded = button.closest("details");
  if (folded) folded.open = true;
  button.focus();
});

/* ---- gallery: count what is picked, ranges with Shift, everything, nothing ---- */
for (const form of all("form[data-picks]")) {
  const boxes = all("input[name=ids]", form);
  const save = select("[data-save]", form);
  const whole = select("[data-whole]", form);
  const acts = all("[data-act]", form);
  const count = select("[data-count]", form);
  const prompt = count.textContent;
  let last = null;
  const tell = () => {
    const every = whole?.checked;
    const picked = boxes.filter((box) => box.checked).length;
    const words = every ? `all ${whole.dataset.whole}`.trim() : String(picked);
    count.textContent = every || picked ? `${words} picked` : prompt;
    save.textContent = every || picked ? `Save for ${words}` : "Save";
    for (const button of [save, ...acts]) button.disabled = !every && !picked;
  };
  whole?.addEventListener("change", () => {
    for (const box of boxes) box.checked = whole.checked;
    tell();
  });
  form.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=ids]");
    if (!box) return;
    if (event.shiftKey && last && last !== box) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    if (whole && !box.checked) whole.checked = false;
    tell();
  });
  const everything = select("[data-all]", form);
  everything.hidden = false;
  everything.addEventListener("click", () => {
    for (const box of boxes) box.checked = true;
    tell();
  });
  form.addEventListener("reset", () => setTimeout(tell));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") form.reset();
  });
  addEventListener("pageshow", tell);
  tell();
}

/* ---- review: the next photo comes into the same page; a second press waits for it ---- */
if (select("[data-review]")) {
  const main = select("#main");
  let busy = false;
  const say = (words) => {
    select("[data-lost]")?.remove();
    const note = document.createElement("div");
    note.className = "note is-error";
    note.dataset.lost = "";
    note.setAttribute("role", "alert");
    note.textContent = words;
    select("#decide", main)?.after(note);
  };
  const follow = async (address, options) => {
    if (busy) return;
    busy = true;
    main.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, options);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = select("#main", fresh);
      if (!next) throw new Error(`no page came, but ${answer.status}`);
      const keys = select(".keys-here", main)?.open;
      main.replaceChildren(...next.children);
      document.title = fresh.title;
      if (keys && select(".keys-here", main)) select(".keys-here", main).open = true;
      if (answer.ok) history.replaceState(null, "", answer.url);
      select(".ask, h1", main)?.focus({ preventScroll: true });
    } catch {
      say("The server cannot be reached. Nothing was saved: press again in a moment.");
    } finally {
      busy = false;
      main.removeAttribute("aria-busy");
    }
  };
  main.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-quick]")) return;
    event.preventDefault();
    const button = event.submitter;
    follow(button?.hasAttribute("formaction") ? button.formAction : form.action, {
      method: "POST",
      body: new FormData(form, button),
    });
  });
  main.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-quick]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    follow(link.href);
  });
}

/* ---- search of labels: what letters find comes below the field; Enter takes the first ---- */
{
  const main = select("#main");
  let waiting = 0;
  const find = (field) => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const address = new URL(field.dataset.search, location.href);
      address.searchParams.set("q", field.value);
      const answer = await fetch(address).catch(() => null);
      const list = select("[data-found]", main);
      if (!answer?.ok || !list || address.searchParams.get("q") !== field.value) return;
      list.innerHTML = await answer.text();
    }, 60);
  };
  main.addEventListener("input", (event) => {
    if (event.target.matches("[data-search]")) find(event.target);
  });
  main.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-search]") && !select("[data-found]", main).firstElementChild)
      find(event.target);
  });
  main.addEventListener("keydown", async (event) => {
    if (!event.target.matches("[data-search]")) return;
    if (event.key === "Escape") {
      event.target.value = "";
      event.target.blur();
      select("[data-found]", main).replaceChildren();
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    const address = new URL(event.target.dataset.search, location.href);
    address.searchParams.set("q", event.target.value);
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok || !event.target.value) return;
    clearTimeout(waiting);
    select("[data-found]", main).innerHTML = await answer.text();
    select(".find", main)?.click();
  });
}

/* ---- cars of a photo: a box lights up with its card; dragging draws one or moves an edge ---- */
for (const picture of all(".boxes")) {
  const light = (event, on) => {
    const car = event.target.closest?.("[data-car]")?.dataset.car;
    if (!car) return;
    for (const part of all(`[data-car="${CSS.escape(car)}"]`)) part.classList.toggle("is-lit", on);
  };
  document.addEventListener("pointerover", (event) => light(event, true));
  document.addEventListener("pointerout", (event) => light(event, false));

  const { width, height } = picture.viewBox.baseVal;
  const reach = 14; // pixels of the screen around an edge that hold it
  const place = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    const { x, y } = point.matrixTransform(picture.getScreenCTM().inverse());
    return [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];
  };
  const draw = (rect, [left, top, right, bottom]) => {
    const sides = { x: left, y: top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(sides)) rect.setAttribute(name, value);
  };
  const send = (form, [left, top, right, bottom]) => {
    const percent = (value, side) => Math.round((value / side) * 1e5) / 1e3;
    const [x, y] = [percent(left, width), percent(top, height)];
    const values = {
      left: x,
      top: y,
      width: percent(right, width) - x,
      height: percent(bottom, height) - y,
    };
    for (const [name, value] of Object.entries(values))
      form.elements[name].value = value.toFixed(3);
    form.requestSubmit();
  };
  let stop = null; // ends the drag that is going on
  const drag = (event, follow, done) => {
    event.preventDefault();
    picture.setPointerCapture(event.pointerId);
    const end = new AbortController();
    const { signal } = end;
    const finish = () => {
      end.abort();
      stop = null;
    };
    stop = () => {
      finish();
      follow(null);
    };
    picture.addEventListener("pointermove", (moved) => follow(place(moved)), { signal });
    picture.addEventListener("pointercancel", () => stop(), { signal });
    picture.addEventListener(
      "pointerup",
      () => {
        finish();
        done();
      },
      { signal },
    );
  };

  const tool = select("#draw");
  const drawn = document.createElementNS(picture.namespaceURI, "rect");
  drawn.setAttribute("class", "drawn");
  drawn.setAttribute("vector-effect", "non-scaling-stroke");
  tool?.addEventListener("toggle", () => {
    picture.classList.toggle("is-drawing", tool.open);
    select("[data-hint]", tool).hidden = !tool.open;
    if (tool.open) picture.scrollIntoView({ block: "nearest" });
  });
  picture.addEventListener("pointerdown", (event) => {
    if (!tool?.open || event.button) return;
    const from = place(event);
    let box = null;
    picture.append(drawn);
    draw(drawn, [...from, ...from]);
    drag(
      event,
      (to) => {
        if (to === null) {
          drawn.remove();
          return;
        }
        const [left, right] = [from[0], to[0]].sort((a, b) => a - b);
        const [top, bottom] = [from[1], to[1]].sort((a, b) => a - b);
        box = [left, top, right, bottom];
        draw(drawn, box);
      },
      () => {
        if (box) send(select("form", tool), box);
        else drawn.remove();
      },
    );
  });
  picture.addEventListener("click", (event) => {
    if (tool?.open) event.preventDefault(); // a box below the pointer is no link then
  });

  const grip = select(".grip", picture);
  const edges = () => {
    const { x, y, width: across, height: down } = grip.getBBox();
    return [x, y, x + across, y + down];
  };
  const near = (event) => {
    const [x, y] = place(event);
    const slack = reach / picture.getScreenCTM().a;
    const distances = edges().map((edge, i) => Math.abs(edge - (i % 2 ? y : x)));
    const held = distances.map((distance) => distance <= slack);
    for (const i of [0, 1])
      if (held[i] && held[i + 2]) held[distances[i] < distances[i + 2] ? i + 2 : i] = false;
    return held;
  };
  const cursor = ([left, top, right, bottom]) => {
    if ((left && top) || (right && bottom)) return "nwse-resize";
    if ((left && bottom) || (right && top)) return "nesw-resize";
    return left || right ? "ew-resize" : "ns-resize";
  };
  grip?.addEventListener("pointermove", (event) => {
    grip.style.cursor = cursor(near(event));
  });
  grip?.addEventListener("pointerdown", (event) => {
    if (tool?.open || event.button) return;
    const [held, before] = [near(event), edges()];
    const rects = [grip, select("a[aria-current] rect", picture)];
    let box = null;
    drag(
      event,
      (to) => {
        const moved = before.map((edge, i) => (held[i] && to ? to[i % 2] : edge));
        const [left, right] = [moved[0], moved[2]].sort((a, b) => a - b);
        const [top, bottom] = [moved[1], moved[3]].sort((a, b) => a - b);
        box = to && [left, top, right, bottom];
        for (const rect of rects) draw(rect, [left, top, right, bottom]);
      },
      () => {
        if (box) send(select("#move form"), box);
      },
    );
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (stop) stop();
    else if (tool?.open) tool.open = false;
  });
}

/* ---- rows that are wider than a phone begin where the reader is ---- */
for (const here of all(".places [aria-current], .tabs [aria-current]")) {
  const row = here.parentElement;
  row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

/* ---- upload: drag, paste, one line with its own progress for each file ---- */
for (const form of all("form[data-upload]")) {
  const input = select("input[type=file]", form);
  const drop = select("[data-drop]", form);
  const queue = select("[data-queue]", form);
  const button = select("button.primary", form);
  const most = Number(form.dataset.maxBytes);
  const mostFiles = Number(form.dataset.maxFiles);

  /* folders: their photos wait here with their paths, which a list of files cannot carry */
  const fromFolders = new Map();
  const counted = (number, noun) =>
    `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const maybePhoto = (file) =>
    file.type.startsWith("image/") ||
    /\.(zip|hei[cf]|avif|jpe?g|png|webp|tiff?|bmp|gif)$/i.test(file.name);
  const addFolder = (files) => {
    const photos = files.filter(
      ([path, file]) => maybePhoto(file) && !path.split("/").some((part) => part.startsWith(".")),
    );
    for (const [path, file] of photos)
      fromFolders.set(`${path} ${file.size} ${file.lastModified}`, [path, file]);
    const others = files.length - photos.length;
    const line = draw({
      name: [...new Set(files.map(([path]) => path.split("/")[0]))].join(", ") || "Folder",
      type: "",
      size: 0,
    });
    say(
      line,
      counted(photos.length, "photo") +
        (others ? `, ${counted(others, "other file")} not sent` : ""),
    );
    queue.hidden = false;
    input.required = !fromFolders.size;
    button.focus();
  };
  const filesBelow = async (entry, path = "") => {
    const name = path + entry.name;
    if (entry.isFile)
      return [
        [
          name,
          await new Promise((done, fail) => {
            entry.file(done, fail);
          }),
        ],
      ];
    const reader = entry.createReader();
    const files = [];
    for (;;) {
      // a hundred at a time, until none comes
      const some = await new Promise((done, fail) => {
        reader.readEntries(done, fail);
      });
      if (!some.length) return files;
      for (const inner of some) files.push(...(await filesBelow(inner, `${name}/`)));
    }
  };
  const take = async (data) => {
    const entries = [...data.items]
      .filter((item) => item.kind === "file")
      .map((item) => item.webkitGetAsEntry?.()); // now: they are gone after this event
    const files = [...data.files].filter((file, place) => !entries[place]?.isDirectory);
    add(files);
    for (const folder of entries.filter((entry) => entry?.isDirectory)) {
      await filesBelow(folder).then(addFolder, () => {
        say(
          draw({ name: folder.name, type: "", size: 0 }),
          "This folder could not be read. Nothing of it was taken: choose its photos.",
          true,
        );
        queue.hidden = false;
        select("li:last-child [data-again]", queue).hidden = true;
      });
    }
  };
  const folders = select("[data-folder]", form);
  if ("webkitdirectory" in folders) {
    select("[data-folders]", form).hidden = false;
    folders.addEventListener("change", () => {
      addFolder([...folders.files].map((file) => [file.webkitRelativePath, file]));
      folders.value = "";
    });
  }

  const add = (files) => {
    const photos = [...files].filter((file) => file.size || file.type);
    if (!photos.length) return;
    const kept = new DataTransfer();
    for (const file of [...input.files, ...photos]) kept.items.add(file);
    input.files = kept.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    button.focus();
  };
  const carriesFiles = (event) =>
    event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (carriesFiles(event)) {
      depth += 1;
      drop.classList.add("is-over");
    }
  });
  addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --depth <= 0) {
      depth = 0;
      drop.classList.remove("is-over");
    }
  });
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    drop.classList.remove("is-over");
    take(event.dataTransfer);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) add(event.clipboardData.files);
  });

  const draw = (file) => {
    const line = select("template[data-line]", form).content.firstElementChild.cloneNode(true);
    select("[data-name]", line).textContent = file.name;
    if (file.type.startsWith("image/") && file.size <= most) {
      const image = new Image();
      image.alt = "";
      image.onload = () => {
        select(".loading", line)?.replaceWith(image);
        URL.revokeObjectURL(image.src);
      };
      image.onerror = () => URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(file);
    }
    queue.append(line);
    return line;
  };
  const say = (line, words, failed = false) => {
    const place = select("[data-words]", line);
    place.textContent = words;
    place.classList.toggle("error", failed);
    place.classList.toggle("quiet", !failed);
    select("progress", line).hidden = true;
    select("[data-again]", line).hidden = !failed;
  };
  const send = (file, line) =>
    new Promise((done) => {
      if (file.size > most) {
        say(
          line,
          `The photo is larger than ${most / 1048576} MB. ` +
            "It was not sent: make it smaller and choose it again.",
          true,
        );
        select("[data-again]", line).hidden = true;
        done(null);
        return;
      }
      const bar = select("progress", line);
      const request = new XMLHttpRequest();
      const data = new FormData(form);
      data.delete("files");
      data.append("files", file, file.name);
      say(line, "Sending");
      bar.hidden = false;
      bar.setAttribute("aria-label", file.name);
      request.upload.onprogress = (event) => {
        bar.value = Math.round((100 * event.loaded) / event.total);
        if (event.loaded === event.total)
          select("[data-words]", line).textContent = "Looking at it";
      };
      request.onload = () => {
        const body = request.response;
        const result = body && body.results && body.results[0];
        if (result && !result.error) {
          finish(line, file, result);
          done(result);
          return;
        }
        const trouble =
          (result && result.error) ||
          (body && body.error) ||
          `The server answered ${request.status}. Try again in a moment.`;
        say(line, trouble, true);
        select("[data-again]", line).hidden = [400, 413, 415, 422].includes(request.status);
        done(null);
      };
      request.onerror = () => {
        say(line, `The connection was lost at ${bar.value} %. Nothing was stored.`, true);
        done(null);
      };
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      request.responseType = "json";
      request.send(data);
    });
  const finish = (line, file, result) => {
    say(line, result.answer + (result.duplicate ? " · sent before, not stored twice" : ""));
    const link = document.createElement("a");
    link.href = result.url;
    link.textContent = file.name;
    select("[data-name]", line).replaceChildren(link);
    const waiting = select(".loading", line);
    if (waiting) {
      const image = new Image();
      image.alt = "";
      image.src = result.thumbnail;
      waiting.replaceWith(image);
    }
  };
  /* a zip, or many photos: sent in groups that become one job; a group whose answer was lost is
     sent again in its place */
  const isZip = (file) => /\.zip$/i.test(file.name);
  const inGroups = (files) => {
    const groups = files.filter(([, file]) => isZip(file)).map((pair) => [pair]);
    let some = [],
      bytes = 0;
    for (const [path, file] of files.filter(([, each]) => !isZip(each))) {
      if (some.length === mostFiles || (some.length && bytes + file.size > 2 * most)) {
        groups.push(some);
        some = [];
        bytes = 0;
      }
      some.push([path, file]);
      bytes += file.size;
    }
    return some.length ? [...groups, some] : groups;
  };
  const sendGroup = (fields, group, told) =>
    new Promise((done) => {
      const request = new XMLHttpRequest();
      const data = new FormData(form);
      data.delete("files");
      for (const [name, value] of Object.entries(fields)) data.set(name, value);
      for (const [path, file] of group) data.append("files", file, path);
      request.upload.onprogress = (event) => told(event.loaded);
      request.onload = () => {
        const body = request.response || {};
        done(
          request.status === 200
            ? body
            : {
                error:
                  body.error || `The server answered ${request.status}. Try again in a moment.`,
              },
        );
      };
      request.onerror = () =>
        done({ error: "The connection was lost. What was sent waits: send again to go on." });
      request.open("POST", form.dataset.bulk);
      request.setRequestHeader("Accept", "application/json");
      request.responseType = "json";
      request.send(data);
    });
  const sizeOf = (files) => files.reduce((sum, [, file]) => sum + file.size, 0);
  const titleOf = (files) => {
    const folders = [
      ...new Set(files.map(([path]) => (path.includes("/") ? path.split("/")[0] : ""))),
    ];
    if (folders.length === 1 && folders[0]) return folders[0];
    return files.length === 1 ? files[0][0] : `${files.length.toLocaleString("en")} files`;
  };
  const sendAsJob = async (files) => {
    const groups = inGroups(files);
    const bytes = sizeOf(files) || 1;
    const title = titleOf(files);
    const line = draw({ name: title, type: "", size: 0 });
    if (bytes > Number(form.dataset.mostBytes) || files.length > Number(form.dataset.mostAtOnce)) {
      say(line, `${form.dataset.mostWords}; this one has more. Nothing was sent.`, true);
      select("[data-again]", line).hidden = true;
      return;
    }
    const bar = select("progress", line);
    let next = 0,
      sent = 0,
      job = "";
    const go = async () => {
      button.disabled = true;
      say(line, "Sending");
      bar.hidden = false;
      bar.setAttribute("aria-label", title);
      while (next < groups.length) {
        const fields = {
          job,
          title,
          group: next + 1,
          last: next === groups.length - 1 ? "yes" : "no",
        };
        const answer = await sendGroup(fields, groups[next], (loaded) => {
          bar.value = Math.min(100, Math.round((100 * (sent + loaded)) / bytes));
        });
        if (answer.error) {
          say(line, answer.error, true);
          button.disabled = false;
          return;
        }
        sent += sizeOf(groups[next]);
        job = answer.job;
        next += 1;
        if (answer.url) location.assign(answer.url);
      }
    };
    select("[data-again]", line).addEventListener("click", go);
    await go();
  };
  form.addEventListener("submit", async (event) => {
    const files = [...input.files];
    if (!files.length && !fromFolders.size) return; // the form itself says what is wrong
    event.preventDefault();
    if (fromFolders.size || files.length > mostFiles || files.some(isZip)) {
      queue.replaceChildren();
      queue.hidden = false;
      await sendAsJob([...files.map((file) => [file.name, file]), ...fromFolders.values()]);
      return;
    }
    queue.replaceChildren();
    queue.hidden = false;
    button.disabled = true;
    const lines = files.map(draw);
    const only = files.length === 1;
    const results = [];
    for (const [place, file] of files.entries()) {
      const line = lines[place];
      select("[data-again]", line).addEventListener("click", async () => {
        const result = await send(file, line);
        if (result && only) location.assign(result.url);
      });
      results.push(await send(file, line));
    }
    button.disabled = false;
    if (only && results[0]) location.assign(results[0].url);
    else input.value = "";
  });
}

/* ---- jobs: what is shown of running work is asked for again until it is over ---- */
{
  const look = async () => {
    const shown = select("[data-live]");
    if (!shown) return;
    if (!document.hidden && !shown.matches(":focus-within")) {
      const answer = await fetch(location.href).catch(() => null);
      const fresh = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = fresh && select(`.${shown.classList[0]}.flow`, select("#main", fresh));
      if (next) {
        localTimes(next);
        shown.replaceWith(next);
        document.title = fresh.title;
      }
    }
    setTimeout(look, 1000 * Number(shown.dataset.live));
  };
  const shown = select("[data-live]");
  if (shown) setTimeout(look, 1000 * Number(shown.dataset.live));
}

/* ---- stats: the sentence of the threshold follows the slider ---- */
for (const form of all("form[data-threshold]")) {
  const bands = JSON.parse(form.dataset.threshold);
  const [slider, output, sentence] = [
    select("input[type=range]", form),
    select("output", form),
    select("[data-said]", form.parentElement),
  ];
  const photos = bands[0][1];
  const share = (part, whole) => {
    const value = part / whole;
    if (value < 0.005) return "<\u202f1\u202f%";
    return value > 0.99 ? ">\u202f99\u202f%" : `${Math.max(1, Math.round(value * 100))}\u202f%`;
  };
  select("button", form).hidden = true;
  slider.addEventListener("input", () => {
    const [right, named] = bands[slider.value];
    const names = document.createElement("b");
    names.textContent = `${named ? share(right, named) : "none"} of the names are right`;
    output.textContent = `${slider.value}\u202f%`;
    sentence.replaceChildren(
      `At ${slider.value}\u202f%: `,
      names,
      `, ${share(photos - named, photos)} of the photos get none.`,
    );
  });
}

/* ---- a folder of labelled photos: only its checksums travel, without a script the photos ---- */
const hexadecimal = (byte) => byte.toString(16).padStart(2, "0");
for (const form of all("form[data-folder]")) {
  form.addEventListener("submit", async (event) => {
    if (!crypto.subtle) return; // not on an address without HTTPS: the server sums them up itself
    event.preventDefault();
    const files = [...select("[name=folder]", form).files];
    const status = select("[data-said]", form);
    const button = select("button", form);
    button.disabled = true;
    const lines = [];
    try {
      for (const file of files) {
        status.textContent = `${lines.length + 1} of ${files.length}`;
        const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
        lines.push(
          `${[...sum].map(hexadecimal).join("")}  ${file.webkitRelativePath}\n`,
        );
      }
      const data = new FormData(form);
      data.delete("folder");
      data.append("sums", new File(lines, "sums.txt"));
      const answer = await fetch(form.action, { method: "POST", body: data });
      if (answer.redirected) {
        location.assign(answer.url);
        return;
      }
      const trouble = select(
        "#trouble",
        new DOMParser().parseFromString(await answer.text(), "text/html"),
      );
      status.textContent = trouble
        ? trouble.textContent
        : "That did not work. Nothing was changed.";
    } catch {
      status.textContent =
        "The folder could not be read, or the server was not reached. Nothing was changed.";
    }
    button.disabled = false;
  });
}
