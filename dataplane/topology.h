#pragma once

// Which device leads where, from the configuration: the port of an interface, the uplink of a VPC.
// Fixed for the life of a worker.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "dataplane/worker.h"

namespace sluice {

class Topology {
 public:
  Topology(std::span<const NicInfo> nics, std::size_t interface_capacity)
      : nic_of_interface_(interface_capacity) {
    for (std::size_t i = 0; i < nics.size(); ++i) {
      const NicIndex nic(static_cast<std::uint16_t>(i));
      const NicConfig& config = nics[i].config;
      if (!config.source_check) has_mixed_directions_ = true;
      if (config.role == NicRole::Interface) {
        if (config.interface.value() < interface_capacity) {
          nic_of_interface_[config.interface.value()] = nic;
        }
      } else if (config.role == NicRole::Uplink) {
        for (VpcIndex vpc : config.vpcs) set_uplink(vpc, nic);
      }
    }
  }

  // None if no port here is the interface's.
  NicIndex nic_of(EniIndex eni) const {
    return eni.value() < nic_of_interface_.size() ? nic_of_interface_[eni.value()]
                                                  : NicIndex::none();
  }
  NicIndex uplink_of(VpcIndex vpc) const {
    return vpc.value() < uplink_of_vpc_.size() ? uplink_of_vpc_[vpc.value()] : NicIndex::none();
  }
  // True if both directions of a conversation may arrive in one burst.
  bool has_mixed_directions() const { return has_mixed_directions_; }

 private:
  void set_uplink(VpcIndex vpc, NicIndex nic) {
    if (vpc.value() >= uplink_of_vpc_.size()) uplink_of_vpc_.resize(vpc.value() + std::size_t{1});
    uplink_of_vpc_[vpc.value()] = nic;
  }

  std::vector<NicIndex> nic_of_interface_;  // by EniIndex
  std::vector<NicIndex> uplink_of_vpc_;     // by VpcIndex
  bool has_mixed_directions_ = false;
};

}  // namespace sluice
