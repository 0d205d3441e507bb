#include "dataplane/engine.h"

#include "dataplane/dpdk_engine.h"

namespace sluice {

Result<std::unique_ptr<Engine>> start_engine(const EngineConfig& config) {
  Result<CorePlan> cores = plan_cores(config.worker_cores, usable_cores());
  if (!cores) return cores.error();
  auto engine = std::make_unique<DpdkEngine>(config, std::move(*cores));
  if (Status started = engine->start(); !started) return started.error();
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace sluice
