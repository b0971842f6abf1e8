handler <- function(event, context) {
  message("answering ", context$aws_request_id)
  list(got = event)
}
