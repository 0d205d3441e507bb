#pragma once

// DPDK brought up and down, once per process.
//
// Asks for no file on a mounted hugetlbfs, no telemetry socket, no secondary processes, and no PCI
// bus unless a device of it is configured. Whether huge pages are used is decided here. What DPDK
// logs is collected rather than printed, so that an error can carry DPDK's own reason.
//
// Threads: all calls from the control thread; DPDK may log from any.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataplane/engine.h"

namespace sluice {

struct EalOptions {
  unsigned main_core = 0;
  bool needs_pci = false;
  HugePages huge_pages = HugePages::Auto;
  std::size_t memory_size = 0;  // that devices and packet buffers will take, bytes
  std::vector<std::string> further_arguments;
};

// Memory in free huge pages of all sizes, in bytes.
std::size_t free_huge_memory();

class DpdkLog;  // dataplane/dpdk_log.h

class Eal {
 public:
  // Errors: huge pages required and too few free; whatever DPDK refuses, with its words.
  // A second start in one process is refused by DPDK.
  static Result<std::unique_ptr<Eal>> start(const EalOptions& options);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  bool has_huge_pages() const { return has_huge_pages_; }
  // "huge pages" or "no huge pages (96 MiB of ordinary memory)".
  const std::string& description() const { return description_; }

  // Forgets what was logged so far.
  void forget_log();
  // What DPDK said since forget_log(), one line, "" if nothing.
  std::string logged() const;

 private:
  Eal();

  std::unique_ptr<DpdkLog> log_;
  bool is_up_ = false;
  bool has_huge_pages_ = false;
  std::string description_;
};

}  // namespace sluice
