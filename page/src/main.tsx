import { render } from "preact";
import "./design/fonts.css";
import "./design/tokens.css";
import "./design/base.css";
import "./design/components.css";
import "./frame/frame.css";
import { App, ExperimentView } from "./app.tsx";
import { address, followAddress } from "./routing/address.ts";
import { start } from "./session/session.ts";

followAddress();
void start();
if (address.value.path[0] === "experiments" && address.value.path.length === 2) {
  // The view of the address is loaded while the user is identified.
  void ExperimentView.prepare();
}
const page = document.getElementById("page");
if (page) {
  // The placeholder.
  page.replaceChildren();
  render(<App />, page);
}
