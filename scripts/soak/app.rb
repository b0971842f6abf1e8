def handler(event:, context:)
  id = event['id']
  case event['do']
  when 'throw' then raise IndexError, "on purpose #{id}"
  when 'exit' then exit! 3
  when 'kill' then Process.kill(:KILL, $$); sleep 60
  when 'term' then Process.kill(:TERM, $$); sleep 60
  when 'hang' then sleep 60
  when 'print' then puts 'o' * 70_000; $stderr.write('e' * 70_000)
  when 'fork'
    if fork.nil?
      sleep 0.03
      return { id: "child of #{id}" }
    end
  when 'late' then Thread.new { Thread.current.report_on_exception = false; sleep 0.02; Thread.main.raise 'late' }
  when 'leave' then spawn('sleep', '300', pgroup: true)
  when 'garbage'
    (3..9).each { |fd| IO.for_fd(fd, 'w', autoclose: false).syswrite("result nobody 4\n1234\n") rescue nil }
  end
  { id: id, pad: event['pad'] }
end
