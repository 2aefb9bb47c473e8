-- Healthy is what the operator does its job for, whatever WhatsApp thinks of it: a sync does not wait for a flag or a limit to go.
if obj.kind == "MessagingPolicy" then -- has no status: the numbers that it governs say what is wrong with it
  return {status = "Healthy"}
end
local conditions = {}
if obj.status ~= nil and obj.status.observedGeneration == obj.metadata.generation and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end
local ready, stalled = conditions.Ready, conditions.Stalled
if ready == nil then
  return {status = "Progressing", message = "The operator has not looked at it yet."}
end
if stalled ~= nil and stalled.status == "True" then
  return {status = "Degraded", message = stalled.message}
end
if ready.status ~= "True" then
  return {status = "Progressing", message = ready.message}
end
if ready.reason == "Suspended" then
  return {status = "Suspended", message = ready.message}
end
return {status = "Healthy", message = ready.message}
