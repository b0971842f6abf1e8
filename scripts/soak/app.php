<?php
function handler($event) {
    $answer = ['id' => $event['id'], 'pad' => $event['pad']];
    switch ($event['do']) {
    case 'throw': throw new DomainException('on purpose ' . $event['id']);
    case 'exit': exit(3);
    case 'kill': posix_kill(getmypid(), 9); sleep(60);
    case 'term': posix_kill(getmypid(), 15); sleep(60);
    case 'hang': for (;;) sleep(60);
    case 'print': echo str_repeat('o', 70000), "\n"; fwrite(STDERR, str_repeat('e', 70000)); break;
    case 'fork': if (pcntl_fork() === 0) { usleep(30000); return ['id' => 'child of ' . $event['id']]; } break;
    case 'late': register_shutdown_function(function () { throw new Exception('late'); }); break;
    case 'leave': exec('setsid sleep 300 >/dev/null 2>&1 &'); break;
    case 'garbage':
        exec("for fd in 3 4 5 6 7 8 9; do echo 'result nobody 4\n1234' >&\$fd; done 2>/dev/null");
    }
    return $answer;
}
