module bitka.local/spire-tools

go 1.25.0

require github.com/hashicorp/hcl v1.0.1-vault-7
