use super::HealthStatus;
use super::object::{Condition, Object};

pub(super) fn service(object: Object<'_>) -> HealthStatus {
    if object.text("/spec/type") != "LoadBalancer" {
        return HealthStatus::healthy();
    }
    match object.condition("LoadBalancerPortsError").filter(Condition::is_true) {
        Some(condition) => {
            HealthStatus::degraded(condition.reason_or("LoadBalancerPortsError"), condition.message)
        }
        None => addressed(object),
    }
}

pub(super) fn ingress(object: Object<'_>) -> HealthStatus {
    addressed(object)
}

fn addressed(object: Object<'_>) -> HealthStatus {
    if object.list("/status/loadBalancer/ingress").is_empty() {
        HealthStatus::progressing(
            "NoAddress",
            "it waits for an address from a load balancer or ingress controller",
        )
    } else {
        HealthStatus::healthy()
    }
}
