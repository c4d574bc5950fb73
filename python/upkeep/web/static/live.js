// Looks again at a page on which something goes on, and replaces what has changed. Without it the page is reloaded.
"use strict";
(() => {
  const EVERY_MS = 2000;
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const say = (text) => {
    const line = document.getElementById("live-trouble");
    if (line) line.textContent = text;
  };

  async function again() {
    if (!parts().length) return;
    if (document.hidden) return void setTimeout(again, EVERY_MS);
    try {
      const answer = await fetch(location.href, { headers: { "Upkeep-Again": "1" }, redirect: "error" });
      if (answer.status === 401) return say("You are signed out; what stands here is no longer kept up to date.");
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts()) {
        const other = fresh.getElementById(part.id);
        if (!other) part.remove();
        else if (other.outerHTML !== part.outerHTML) part.replaceWith(document.adoptNode(other));
      }
      say("");
    } catch {
      say("The page cannot be reached; it is tried again.");
    }
    setTimeout(again, EVERY_MS);
  }
  setTimeout(again, EVERY_MS);
})();
