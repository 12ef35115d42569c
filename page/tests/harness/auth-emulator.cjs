// Only the Firebase Auth emulator: `firebase emulators:start` would also start a hub and a log
// server, look for Java, and check for updates.
const { AuthEmulator, SingleProjectMode } = require("firebase-tools/lib/emulator/auth");

const [projectId, port] = process.argv.slice(2);
const emulator = new AuthEmulator({
  projectId,
  host: "127.0.0.1",
  port: Number(port),
  singleProjectMode: SingleProjectMode.ERROR,
});

// It does not tell when it listens.
function sayWhenReady() {
  fetch(`http://127.0.0.1:${port}/`).then(
    () => console.log("ready"),
    () => setTimeout(sayWhenReady, 10),
  );
}

emulator.start().then(sayWhenReady);
