//go:build tools

// Package tools pins what scripts/lint-k8s.mjs builds: go.mod says the versions, go.sum what they must be.
package tools

import (
	_ "github.com/yannh/kubeconform/cmd/kubeconform"
	_ "sigs.k8s.io/kustomize/kustomize/v5"
)
