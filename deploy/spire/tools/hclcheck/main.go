// Command hclcheck reads SPIRE configuration files as SPIRE does (HCL 1) and fails on what is no HCL, on a block or a setting
// that SPIRE does not know, and on a setting of one block that is given twice.
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
)

// What our files may say: a smaller set than SPIRE's own, so that a misspelt setting is seen here and not at a start.
var known = map[string][]string{
	"": {"server", "agent", "plugins", "health_checks", "telemetry"},
	"server": {
		"bind_address", "bind_port", "socket_path", "trust_domain", "data_dir", "log_level", "log_format", "audit_log_enabled",
		"default_x509_svid_ttl", "ca_ttl", "ca_key_type", "agent_ttl", "ca_subject",
	},
	"agent": {
		"data_dir", "log_level", "log_format", "server_address", "server_port", "socket_path", "trust_bundle_path", "trust_domain",
		"sds",
	},
	"ca_subject":    {"country", "organization", "common_name"},
	"sds":           {"disable_spiffe_cert_validation"},
	"health_checks": {"listener_enabled", "bind_address", "bind_port", "live_path", "ready_path"},
	"telemetry":     {"Prometheus"},
	"Prometheus":    {"host", "port"},
	"plugins":       {"DataStore", "KeyManager", "NodeAttestor", "UpstreamAuthority", "Notifier", "WorkloadAttestor"},
	"DataStore sql": {"database_type", "connection_string"},

	"KeyManager disk":         {"keys_path", "directory"},
	"KeyManager memory":       {},
	"UpstreamAuthority disk":  {"cert_file_path", "key_file_path"},
	"NodeAttestor x509pop":    {"ca_bundle_path", "agent_path_template", "private_key_path", "certificate_path"},
	"NodeAttestor k8s_psat":   {"clusters", "cluster", "token_path"},
	"clusters":                {"bitka"},
	"bitka":                   {"service_account_allow_list"},
	"Notifier k8sbundle":      {"namespace", "config_map", "config_map_key"},
	"WorkloadAttestor docker": {"docker_socket_path"},
	"WorkloadAttestor unix":   {},
	"WorkloadAttestor k8s":    {"skip_kubelet_verification"},
}

func main() {
	failed := false
	for _, file := range os.Args[1:] {
		for _, problem := range check(file) {
			fmt.Fprintf(os.Stderr, "%s: %s\n", file, problem)
			failed = true
		}
	}
	if failed || len(os.Args) == 1 {
		os.Exit(1)
	}
}

func check(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return []string{err.Error()}
	}
	parsed, err := hcl.ParseBytes(text)
	if err != nil {
		return []string{err.Error()}
	}
	root, ok := parsed.Node.(*ast.ObjectList)
	if !ok {
		return []string{"the file is no list of blocks"}
	}
	return block("", "", root)
}

// block checks one block; path is for people, name says what it may hold.
func block(path, name string, list *ast.ObjectList) []string {
	allowed, ok := known[name]
	if !ok {
		return []string{fmt.Sprintf("%s is not a block that we use", path)}
	}
	var problems []string
	seen := map[string]bool{}
	for _, item := range list.Items {
		words := make([]string, len(item.Keys))
		for i, key := range item.Keys {
			words[i], _ = key.Token.Value().(string)
		}
		at := fmt.Sprintf("%s/%s", path, words[len(words)-1])
		if !slices.Contains(allowed, words[0]) {
			problems = append(problems, fmt.Sprintf("%s/%s is not known", path, words[0]))
			continue
		}
		full := fmt.Sprint(words)
		if seen[full] {
			problems = append(problems, at+" is there twice")
		}
		seen[full] = true
		if object, ok := item.Val.(*ast.ObjectType); ok {
			problems = append(problems, inner(at, name, words, object.List)...)
		}
	}
	return problems
}

// inner finds out what the block is: a plugin has two words, kind and name, and one block of data.
func inner(at, parent string, words []string, list *ast.ObjectList) []string {
	if parent != "plugins" {
		return block(at, words[0], list)
	}
	if len(words) != 2 {
		return []string{at + " is no plugin with a name"}
	}
	var problems []string
	for _, item := range list.Items {
		data, ok := item.Val.(*ast.ObjectType)
		if key, _ := item.Keys[0].Token.Value().(string); key != "plugin_data" || !ok {
			problems = append(problems, at+" has something else than plugin_data")
			continue
		}
		problems = append(problems, block(at, words[0]+" "+words[1], data.List)...)
	}
	return problems
}
