import { render } from "preact";
import "./design/fonts.css";
import "./design/tokens.css";
import "./design/base.css";
import "./design/components.css";
import "./frame/frame.css";
import { App } from "./app.tsx";
import { followAddress } from "./routing/address.ts";
import { start } from "./session/session.ts";

followAddress();
void start();
const page = document.getElementById("page");
if (page) {
  render(<App />, page);
}
