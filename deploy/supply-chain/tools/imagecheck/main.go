// Command imagecheck reads a Dockerfile with BuildKit's own parser and linter, without Docker. `imagecheck dockerfile FILE`
// prints the stages as JSON and fails on what BuildKit would refuse or warn of; `imagecheck context FOLDER` prints the files
// that FOLDER/.dockerignore lets into a build.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const usage = "usage: imagecheck dockerfile FILE | context FOLDER"

// stage is what our checks need to know of one stage of the build.
type stage struct {
	Name         string   `json:"name"`
	Base         string   `json:"base"`
	Instructions []string `json:"instructions"`
}

type dockerfile struct {
	// Args are the ARGs before the first stage, by name.
	Args   map[string]string `json:"args"`
	Stages []stage           `json:"stages"`
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("%s", usage))
	}
	switch os.Args[1] {
	case "dockerfile":
		fail(checkDockerfile(os.Args[2]))
	case "context":
		fail(listContext(os.Args[2]))
	default:
		fail(fmt.Errorf("%s", usage))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func checkDockerfile(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		return err
	}
	var warnings []string
	for _, warning := range parsed.Warnings {
		warnings = append(warnings, warning.Short)
	}
	lint := linter.New(&linter.Config{
		Warn: func(name, _, _, message string, at []parser.Range) {
			line := 0
			if len(at) > 0 {
				line = at[0].Start.Line
			}
			warnings = append(warnings, fmt.Sprintf("%s:%d: %s: %s", path, line, name, message))
		},
	})
	stages, args, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		return err
	}
	if len(warnings) > 0 {
		return fmt.Errorf("%s", strings.Join(warnings, "\n"))
	}
	out := dockerfile{Args: map[string]string{}}
	for _, command := range args {
		for _, arg := range command.Args {
			if arg.Value != nil {
				out.Args[arg.Key] = *arg.Value
			}
		}
	}
	for _, one := range stages {
		found := stage{Name: one.Name, Base: one.BaseName}
		for _, command := range one.Commands {
			found.Instructions = append(found.Instructions, fmt.Sprint(command))
		}
		out.Stages = append(out.Stages, found)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func listContext(folder string) error {
	file, err := os.Open(filepath.Join(folder, ".dockerignore"))
	if err != nil {
		return err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || name == "." {
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// A later "!" may bring back what lies deeper.
			if ignored && !mayHold(matcher, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !ignored {
			fmt.Println(name)
		}
		return nil
	})
}

func mayHold(matcher *patternmatcher.PatternMatcher, folder string) bool {
	for _, pattern := range matcher.Patterns() {
		if pattern.Exclusion() && strings.HasPrefix(pattern.String()+"/", strings.SplitN(folder, "/", 2)[0]+"/") {
			return true
		}
	}
	return false
}
