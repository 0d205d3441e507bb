#pragma once

// One device: found by its DPDK device string, configured by what it can do, watched for its link.
//
// As many receive and transmit queues as there are workers, or as many as the device has. Where
// receive-side scaling is offered its key is symmetric, so that both directions of a connection
// reach one worker; where it is not, workers hand packets over by themselves. Transport checksums
// are neither verified nor made: packets leave with the bytes they came with.
//
// Lifetime: the memory pool and the Eal outlive it. Threads: control thread; poll_link() the
// engine's housekeeping thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/result.h"
#include "dataplane/device_list.h"
#include "dataplane/eal.h"
#include "dataplane/engine.h"
#include "dataplane/worker.h"

struct rte_mempool;

namespace sluice {

class Nic {
 public:
  static constexpr std::uint16_t kDescriptors = 512;  // of each queue, or what the device allows

  // Errors (kind Invalid, code "missing-device") carry the device, DPDK's reason, and the devices
  // there are.
  static Result<std::unique_ptr<Nic>> probe(const NicConfig& config, Eal& eal);
  ~Nic();
  Nic(const Nic&) = delete;
  Nic& operator=(const Nic&) = delete;

  // Sets the queues up and starts the device; packets come in from now on.
  Status start(rte_mempool* pool, unsigned worker_count, Eal& eal);
  // Nothing comes in or goes out any more, virtual devices disappear. No worker may use it.
  // Idempotent.
  void close();

  std::uint16_t dpdk_port() const { return dpdk_port_; }
  unsigned rx_queues() const { return rx_queues_; }
  unsigned tx_queues() const { return tx_queues_; }
  std::uint16_t mtu() const { return mtu_; }
  const NicConfig& config() const { return config_; }

  NicInfo info() const;
  NicStatus status() const;
  // Asks the device and stores the answer for the workers.
  void poll_link();

 private:
  Nic(NicConfig config, std::uint16_t dpdk_port);
  // 0, or DPDK's negative error number.
  int configure(unsigned worker_count);
  int set_up_queues(rte_mempool* pool);
  void choose_mac();
  bool ask_link() const;
  Error failure(std::string_view step, int problem, const Eal& eal) const;

  NicConfig config_;
  std::uint16_t dpdk_port_;
  std::string driver_;
  MacAddr mac_;
  std::uint16_t mtu_ = 1500;
  unsigned rx_queues_ = 1;
  unsigned tx_queues_ = 1;
  bool is_open_ = true;
  // Written by the housekeeping thread, read by workers, relaxed: it orders nothing else.
  std::atomic<bool> link_up_{true};
};

}  // namespace sluice
