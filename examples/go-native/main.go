// A Lambda function by itself: it asks the Runtime API for events, and PostgreSQL for what to answer.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

type event struct {
	Query struct{ Name string } `json:"queryStringParameters"`
}

type answer struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

type report struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func main() {
	runtime := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime"
	database, err := connect()
	if err != nil {
		// The log has it even where no Lambda takes it.
		_ = post(runtime+"/init/error", report{"Function.NoDatabase", err.Error()})
		log.Fatal(err)
	}
	for {
		if err := serve(runtime, database); err != nil {
			log.Fatal(err)
		}
	}
}

// serve answers one event.
func serve(runtime string, database *database) error {
	reply, err := http.Get(runtime + "/invocation/next")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(reply.Body)
	reply.Body.Close()
	if err != nil {
		return err
	}
	invocation := runtime + "/invocation/" + reply.Header.Get("Lambda-Runtime-Aws-Request-Id")
	answer, err := handle(body, database)
	if err != nil {
		return post(invocation+"/error", report{"Function.Failed", err.Error()})
	}
	return post(invocation+"/response", answer)
}

func handle(body []byte, database *database) (*answer, error) {
	var event event
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	greeting := "SELECT format('Hello, %s, from database %s!', $1::text, current_database())"
	text, err := database.text(greeting, event.Query.Name)
	if err != nil {
		return nil, err
	}
	return &answer{200, map[string]string{"Content-Type": "text/plain"}, text}, nil
}

func post(url string, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	reply, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%s says %s", url, reply.Status)
	}
	return nil
}
