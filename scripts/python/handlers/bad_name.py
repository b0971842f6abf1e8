from results import no_such_name
