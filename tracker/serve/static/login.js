/** The form for the access token, shown when the server asks for it. */

import { ApiError, send } from "./api.js";
import { byId, show } from "./dom.js";

export function installLogin() {
  const dialog = byId("login");
  window.addEventListener("login-needed", () => {
    if (!dialog.open) dialog.showModal();
  });
  // The page is of no use without the token: Esc does not close the form.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  byId("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send("POST", "api/login", { token: byId("token").value.trim() });
      location.reload();
    } catch (error) {
      const isWrong = error instanceof ApiError && [401, 403].includes(error.status);
      show(byId("login-problem"), isWrong ? "This is not the token of the server." : error.message);
      byId("token").select();
    }
  });
}
