// Shows, beside each number typed as a fraction, what it is in percent; for dollars the thousands, for multiples the ×.
"use strict";

function inWords(text, unit) {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) return "";
  if (unit === "fraction") {
    const percent = number * 100;
    const places = Math.max(1, (String(Number(percent.toFixed(4))).split(".")[1] || "").length);
    return `= ${percent.toFixed(places)}%`;
  }
  if (unit === "multiple") return `×${number}`;
  if (unit === "USD") return `$${number.toLocaleString("en-US", { maximumFractionDigits: 2 })}`;
  return "";
}

function keepInWords(input) {
  const output = document.createElement("output");
  output.className = input.closest(".ladder") ? "in-words" : "in-words beside";
  const update = () => { output.textContent = inWords(input.value, input.dataset.unit); };
  input.addEventListener("input", update);
  input.insertAdjacentElement("afterend", output);
  update();
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("input[data-unit=fraction], input[data-unit=multiple], input[data-unit=USD]").forEach(keepInWords);
});
