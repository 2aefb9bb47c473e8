package main

import (
	_ "embed"
	"os"
	"text/template"
	"time"
)

//go:embed instructions.txt
var instructionsText string

var instructions = template.Must(template.New("instructions").Parse(instructionsText))

// printInstructions says where everything is, and how to talk to it.
func printInstructions(o options, operators *replicas, meta *graphAPI, clock *fleetClock) error {
	operator := operators.all[0]
	account, shopping := metaAccounts[0], metaAccounts[2]
	return instructions.Execute(os.Stdout, map[string]any{
		"Speed": o.speed, "State": o.state, "Webhook": operator.WebhookURL(), "Log": operator.Log, "Guard": operator.GuardURL(), "API": "http://" + operator.Events,
		"Meta": meta.url, "Account": account.id, "Token": meta.tokenFile(account.token), "Shop": shop, "ShopToken": meta.tokenFile(shopping.token),
		"Replicas": len(operators.all), "Now": clock.Now().Format(time.RFC3339),
	})
}
