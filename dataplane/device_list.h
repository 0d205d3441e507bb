#pragma once

// What a device string says before the device exists, and what a person could have named instead.

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice {

// "net_tap0,iface=x" is the device "net_tap0"; "0000:00:04.0" and "00:04.0" are on the PCI bus.
std::string_view device_name(std::string_view device);
bool is_pci_device(std::string_view device);

// What a person could have named: PCI network devices, kernel interfaces, kinds of virtual devices.
std::string devices_there_are();

// Packet buffers that a device keeps to itself: a capture replayed by net_pcap with infinite_rx=1
// lies in buffers of the common pool.
std::size_t buffers_kept_by(std::string_view device);

}  // namespace sluice
