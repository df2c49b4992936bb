// Command composecheck does what `docker compose config` does, without Docker: it reads compose files with Compose's own
// library, fills in the variables of the given env files and nothing else, and checks the result against the compose
// specification and for references to networks, volumes, secrets and services that are not there. It prints the resolved
// project as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const usage = "usage: composecheck [--env FILE]... COMPOSE_FILE..."

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var envFiles, files []string
	for len(args) > 0 {
		if args[0] == "--env" && len(args) > 1 {
			envFiles, args = append(envFiles, args[1]), args[2:]
			continue
		}
		files, args = append(files, args[0]), args[1:]
	}
	if len(files) == 0 {
		return fmt.Errorf("%s", usage)
	}
	env, err := dotenv.GetEnvFromFile(map[string]string{}, envFiles)
	if err != nil {
		return err
	}
	project, err := load(files, env)
	if err != nil {
		return err
	}
	out, err := json.MarshalIndent(project, "", "  ")
	if err != nil {
		return err
	}
	fmt.Println(string(out))
	return nil
}

func load(files []string, env types.Mapping) (*types.Project, error) {
	details := types.ConfigDetails{WorkingDir: filepath.Dir(files[0]), Environment: env}
	for _, file := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: file})
	}
	return loader.LoadWithContext(context.Background(), details, func(options *loader.Options) {
		options.SetProjectName("bitka", true)
		options.Profiles = []string{"*"}
	})
}
