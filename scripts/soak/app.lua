local function shell(command) os.execute(command) end

local doing = {
    throw = function(event) error("on purpose " .. event.id) end,
    exit = function() os.exit(3) end,
    kill = function() shell("kill -9 $PPID; sleep 60") end,
    term = function() shell("kill -15 $PPID; sleep 60") end,
    hang = function() shell("sleep 60") end,
    print = function() print(("o"):rep(70000)); io.stderr:write(("e"):rep(70000)) end,
    fork = function() shell("(sleep 0.03; for fd in 3 4 5 6 7 8 9; do echo 'result nobody 2\n{}' >&$fd; done) >/dev/null 2>&1 &") end,
    late = function() shell("(sleep 0.02; kill -9 $PPID) >/dev/null 2>&1 &") end,
    leave = function() shell("setsid sleep 300 >/dev/null 2>&1 &") end,
    garbage = function() shell("for fd in 3 4 5 6 7 8 9; do echo 'result nobody 4\n1234' >&$fd; done 2>/dev/null") end,
}

function handler(event)
    if doing[event["do"]] then doing[event["do"]](event) end
    return { id = event.id, pad = event.pad }
end
