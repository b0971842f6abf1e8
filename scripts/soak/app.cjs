const { spawn } = require("node:child_process");
const fs = require("node:fs");

exports.handler = async (event) => {
  const answer = { id: event.id, pad: event.pad };
  switch (event.do) {
    case "throw":
      throw new RangeError("on purpose " + event.id);
    case "exit":
      process.exit(3);
    case "kill":
      process.kill(process.pid, "SIGKILL");
      return new Promise(() => {});
    case "term":
      process.kill(process.pid, "SIGTERM");
      return new Promise(() => {});
    case "hang":
      for (;;);
    case "print":
      fs.writeSync(1, "o".repeat(70000) + "\n");
      console.error("e".repeat(70000));
      break;
    case "fork":
      spawn("sh", ["-c", "sleep 0.03; for fd in 3 4 5 6 7 8 9; do echo 'result nobody 2\n{}' >&$fd; done"], { stdio: "ignore" }).unref();
      break;
    case "late":
      setTimeout(() => { throw new Error("late"); }, 20);
      break;
    case "leave":
      spawn("sleep", ["300"], { detached: true, stdio: "ignore" }).unref();
      break;
    case "garbage":
      for (let fd = 3; fd < 10; fd++) {
        try { if (fs.fstatSync(fd).isFIFO()) fs.writeSync(fd, "result nobody 4\n1234\n"); } catch {}
      }
  }
  return answer;
};
