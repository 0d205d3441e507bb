#include "dataplane/device_list.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace sluice {
namespace {

namespace fs = std::filesystem;

std::string joined(std::vector<std::string> words) {
  if (words.empty()) return "none";
  std::sort(words.begin(), words.end());
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += " ";
    text += word;
  }
  return text;
}

// Class 0x02xxxx: network controllers.
bool is_network_controller(const fs::path& device) {
  std::FILE* file = std::fopen((device / "class").c_str(), "r");
  if (file == nullptr) return false;
  unsigned number = 0;
  const bool is_read = std::fscanf(file, "%x", &number) == 1;
  std::fclose(file);
  return is_read && (number >> 16) == 0x02;
}

// The value of "name=…" in a device string, "" if it is not there.
std::string argument_of(std::string_view device, std::string_view name) {
  std::string wanted(",");
  wanted += name;
  wanted += "=";
  const std::size_t at = device.find(wanted);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = device.substr(at + wanted.size());
  return std::string(rest.substr(0, rest.find(',')));
}

// Packets in a capture. Counts the records of the classic format; of any other file it takes the
// most that its size could hold.
std::size_t packets_in(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return 0;
  std::array<std::uint32_t, 6> header{};
  std::size_t count = 0;
  const bool is_read = std::fread(header.data(), sizeof(header), 1, file) == 1;
  if (is_read && (header[0] == 0xa1b2c3d4u || header[0] == 0xa1b23c4du)) {
    std::array<std::uint32_t, 4> record{};  // seconds, fraction, captured, length
    while (std::fread(record.data(), sizeof(record), 1, file) == 1) {
      if (std::fseek(file, static_cast<long>(record[2]), SEEK_CUR) != 0) break;
      ++count;
    }
  } else if (is_read) {
    std::error_code ignored;
    const std::uintmax_t size = fs::file_size(path, ignored);
    constexpr std::size_t kRecordMin = 16 + 14;
    count = size == static_cast<std::uintmax_t>(-1) ? 0 : size / kRecordMin;
  }
  std::fclose(file);
  return count;
}

}  // namespace

std::string_view device_name(std::string_view device) { return device.substr(0, device.find(',')); }

bool is_pci_device(std::string_view device) {
  const std::string_view name = device_name(device);
  return name.find(':') != std::string_view::npos && !name.empty() &&
         std::isxdigit(static_cast<unsigned char>(name.front())) != 0;
}

std::string devices_there_are() {
  std::error_code ignored;
  std::vector<std::string> pci;
  for (const auto& entry : fs::directory_iterator("/sys/bus/pci/devices", ignored)) {
    if (is_network_controller(entry.path())) pci.push_back(entry.path().filename().string());
  }
  std::vector<std::string> kernel;
  for (const auto& entry : fs::directory_iterator("/sys/class/net", ignored)) {
    if (entry.is_directory(ignored)) kernel.push_back(entry.path().filename().string());
  }
  return "PCI network devices: " + joined(std::move(pci)) +
         "; kernel interfaces (for net_af_packet, net_af_xdp): " + joined(std::move(kernel)) +
         "; virtual devices: net_af_packet net_af_xdp net_null net_pcap net_ring net_tap";
}

std::size_t buffers_kept_by(std::string_view device) {
  if (!device.starts_with("net_pcap") || argument_of(device, "infinite_rx") != "1") return 0;
  return packets_in(argument_of(device, "rx_pcap"));
}

}  // namespace sluice
