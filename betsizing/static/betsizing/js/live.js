/* Fragments from the server: only the newest question's answer is ever shown. */

const PATIENCE_MS = 8000;

export class Live {
  /* `place` is the element whose content the fragment replaces, `address` where fragments come from. */
  constructor(place, address) {
    this.place = place;
    this.address = address;
    this.running = null;
  }

  /* A fragment that came, asked for or not. What is shared by many has no token in its forms: they get the page's. */
  put(text) {
    this.place.innerHTML = text;
    const token = document.querySelector("input[name=csrfmiddlewaretoken]");
    for (const form of token ? this.place.querySelectorAll("form[method=post]") : []) {
      if (!form.elements.csrfmiddlewaretoken) form.prepend(token.cloneNode());
    }
    this.place.dispatchEvent(new Event("shown"));
  }

  /* Resolves to "shown", or "superseded" when a newer question came; throws with a sentence when there is no answer. */
  async show(query) {
    this.running?.abort();
    const mine = (this.running = new AbortController());
    let slow = false;
    const patience = setTimeout(() => { slow = true; mine.abort(); }, PATIENCE_MS);
    this.place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${this.address}?${query}`, { signal: mine.signal, credentials: "same-origin" });
      const text = await answer.text();
      if (mine !== this.running) return "superseded";
      if (answer.redirected) throw new Error("You are signed out. Load the page again to sign in.");
      if (!answer.ok && answer.status !== 422) throw new Error(`The server could not answer (${answer.status}).`);
      this.put(text);
      return "shown";
    } catch (problem) {
      if (mine !== this.running || (problem.name === "AbortError" && !slow)) return "superseded";
      this.place.dispatchEvent(new Event("lost"));
      if (slow) throw new Error("The server has not answered for 8 seconds.");
      if (problem instanceof TypeError) throw new Error("The server cannot be reached.");
      throw problem;
    } finally {
      clearTimeout(patience);
      if (mine === this.running) this.place.removeAttribute("aria-busy");
    }
  }
}
