// A Consul agent and nothing else: the arguments are those of `consul agent`. The whole command does
// not build from a module download, because five of its modules live in folders beside it.
package main

import (
	"os"

	"github.com/hashicorp/consul/command/agent"
	consulcli "github.com/hashicorp/consul/command/cli"
	"github.com/mitchellh/cli"
)

func main() {
	output := cli.BasicUi{Writer: os.Stdout, ErrorWriter: os.Stderr}
	command := agent.New(&consulcli.BasicUI{BasicUi: output})
	os.Exit(command.Run(os.Args[1:]))
}
