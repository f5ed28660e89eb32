// The Go SDK as a client of the interoperability tests: sends what it is told on standard input, tells on standard output what
// it receives. One JSON object a line; tests/interop/client.py describes them.
package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"sync"
)

// command is one line of standard input.
type command struct {
	Do     string   `json:"do"`
	URL    string   `json:"url"`
	Mode   string   `json:"mode"`
	Events []sample `json:"events"`
}

// out writes whole lines, from several goroutines.
type out struct {
	mu sync.Mutex
	to *json.Encoder
}

func (o *out) tell(line map[string]any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.to.Encode(line); err != nil {
		os.Exit(1)
	}
}

func main() {
	told := &out{to: json.NewEncoder(os.Stdout)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	receiver := &receiver{told: told}
	if err := receiver.start(listener); err != nil {
		panic(err)
	}
	told.tell(map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})

	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked command
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		switch asked.Do {
		case "send":
			told.tell(send(asked))
		case "reply":
			told.tell(receiver.replyWith(asked))
		}
	}
}
