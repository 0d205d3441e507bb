#include "control/main/replay_capture.h"

#include <pcap/dlt.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>

namespace sluice {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::size_t kMacsSize = 12;
constexpr std::size_t kEthernetSize = 14;
// Two unicast addresses, locally administered.
constexpr std::array<std::uint8_t, kMacsSize> kMacs = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
constexpr int kSnapLength = 262'144;
constexpr std::uint32_t kNanosecondMagic = 0xa1b23c4d;

// How a link type begins: `size` bytes before the network header, and the EtherType that they say.
struct LinkHeader {
  std::size_t size = 0;
  std::uint16_t ether_type = 0;
};

std::uint16_t big_endian16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// Raw IP tells its version itself; what is neither is broken IPv4.
std::uint16_t ether_type_of_ip(Bytes bytes) {
  return !bytes.empty() && bytes[0] >> 4 == 6 ? kEtherTypeIpv6 : kEtherTypeIpv4;
}

// BSD loopback begins with the address family in the byte order of whoever captured.
LinkHeader loopback_header(Bytes bytes) {
  const unsigned family = bytes[0] != 0 ? bytes[0] : bytes[3];
  if (family == 2) return {4, kEtherTypeIpv4};
  const bool is_ipv6 = family == 10 || family == 24 || family == 28 || family == 30;
  return {4, is_ipv6 ? kEtherTypeIpv6 : std::uint16_t{0}};
}

bool is_supported(int link_type) {
  switch (link_type) {
    case DLT_EN10MB:
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
    case DLT_NULL:
    case DLT_LOOP:
    case DLT_LINUX_SLL:
    case DLT_LINUX_SLL2:
      return true;
    default:
      return false;
  }
}

// The header of what is not Ethernet; a size beyond the bytes means that it is cut short.
LinkHeader link_header(int link_type, Bytes bytes) {
  switch (link_type) {
    case DLT_LINUX_SLL:
      return bytes.size() < 16 ? LinkHeader{16, 0} : LinkHeader{16, big_endian16(bytes, 14)};
    case DLT_LINUX_SLL2:
      return bytes.size() < 20 ? LinkHeader{20, 0} : LinkHeader{20, big_endian16(bytes, 0)};
    case DLT_NULL:
    case DLT_LOOP:
      return bytes.size() < 4 ? LinkHeader{4, 0} : loopback_header(bytes);
    default:
      return LinkHeader{0, ether_type_of_ip(bytes)};
  }
}

void make_frame(int link_type, Bytes bytes, std::vector<std::uint8_t>& frame) {
  frame.assign(kMacs.begin(), kMacs.end());
  if (link_type == DLT_EN10MB) {
    if (bytes.size() < kMacsSize) {
      frame.assign(bytes.begin(), bytes.end());
    } else {
      frame.insert(frame.end(), bytes.begin() + kMacsSize, bytes.end());
    }
    return;
  }
  const LinkHeader header = link_header(link_type, bytes);
  if (header.size > bytes.size()) {
    frame.resize(kMacsSize);  // too short to be a frame, as it was
    return;
  }
  frame.push_back(static_cast<std::uint8_t>(header.ether_type >> 8));
  frame.push_back(static_cast<std::uint8_t>(header.ether_type & 0xff));
  frame.insert(frame.end(), bytes.begin() + static_cast<std::ptrdiff_t>(header.size), bytes.end());
}

Error unreadable(const std::string& path, std::string why) {
  return Error{ErrorKind::Failed, "capture-unreadable", "capture " + path + ": " + std::move(why),
               path};
}

bool has_nanosecond_magic(const std::string& path) {
  std::uint32_t magic = 0;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  const bool is_read = std::fread(&magic, sizeof magic, 1, file) == 1;
  std::fclose(file);
  return is_read && (magic == kNanosecondMagic || __builtin_bswap32(magic) == kNanosecondMagic);
}

}  // namespace

Result<std::unique_ptr<CaptureReader>> CaptureReader::open(const std::string& path) {
  std::array<char, PCAP_ERRBUF_SIZE> reason = {};
  const bool has_nanoseconds = path != "-" && has_nanosecond_magic(path);
  pcap* capture = ::pcap_open_offline_with_tstamp_precision(
      path.c_str(), PCAP_TSTAMP_PRECISION_NANO, reason.data());
  if (capture == nullptr) return unreadable(path, reason.data());
  // Private constructor: make_unique cannot reach it.
  std::unique_ptr<CaptureReader> reader(new CaptureReader(capture, path, has_nanoseconds));
  if (!is_supported(reader->link_type())) {
    const char* name = ::pcap_datalink_val_to_name(reader->link_type());
    return unreadable(path, "link type " + std::to_string(reader->link_type()) + " (" +
                                (name == nullptr ? "unknown" : name) +
                                ") is none of Ethernet, raw IP, loopback, Linux cooked");
  }
  return reader;
}

CaptureReader::~CaptureReader() { ::pcap_close(capture_); }

int CaptureReader::link_type() const { return ::pcap_datalink(capture_); }

Result<bool> CaptureReader::next(CapturedPacket& packet) {
  pcap_pkthdr* header = nullptr;
  const std::uint8_t* data = nullptr;
  const int answer = ::pcap_next_ex(capture_, &header, &data);
  if (answer == PCAP_ERROR_BREAK) return false;
  if (answer != 1) return unreadable(path_, ::pcap_geterr(capture_));
  const Bytes bytes(data, header->caplen);
  packet.number = ++count_;
  // Stamps beyond what 32-bit seconds of a flow log can say are held at that end.
  const auto seconds = static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(header->ts.tv_sec, 0, std::numeric_limits<std::uint32_t>::max()));
  packet.time_ns = seconds * kNanosPerSecond + static_cast<std::uint64_t>(header->ts.tv_usec);
  packet.wire_length = header->len;
  packet.captured.assign(bytes.begin(), bytes.end());
  make_frame(link_type(), bytes, packet.frame);
  return true;
}

Result<std::unique_ptr<CaptureWriter>> CaptureWriter::create(const std::string& path,
                                                             const CaptureReader& like) {
  const auto precision =
      like.has_nanoseconds() ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO;
  pcap* handle = ::pcap_open_dead_with_tstamp_precision(like.link_type(), kSnapLength, precision);
  if (handle == nullptr) return unreadable(path, "cannot be written: no memory");
  pcap_dumper* dumper = ::pcap_dump_open(handle, path.c_str());
  if (dumper == nullptr) {
    Error error = unreadable(path, ::pcap_geterr(handle));
    ::pcap_close(handle);
    return error;
  }
  return std::unique_ptr<CaptureWriter>(
      new CaptureWriter(handle, dumper, path, like.has_nanoseconds()));
}

CaptureWriter::~CaptureWriter() {
  if (dumper_ != nullptr) ::pcap_dump_close(dumper_);
  ::pcap_close(handle_);
}

void CaptureWriter::write(const CapturedPacket& packet) {
  pcap_pkthdr header = {};
  const std::uint64_t fraction_ns = packet.time_ns % kNanosPerSecond;
  header.ts.tv_sec = static_cast<time_t>(packet.time_ns / kNanosPerSecond);
  header.ts.tv_usec = static_cast<suseconds_t>(has_nanoseconds_ ? fraction_ns : fraction_ns / 1000);
  header.caplen = static_cast<std::uint32_t>(packet.captured.size());
  header.len = packet.wire_length;
  ::pcap_dump(reinterpret_cast<std::uint8_t*>(dumper_), &header, packet.captured.data());
}

Status CaptureWriter::finish() {
  const bool is_flushed = ::pcap_dump_flush(dumper_) == 0;
  const bool is_good = is_flushed && std::ferror(::pcap_dump_file(dumper_)) == 0;
  ::pcap_dump_close(dumper_);
  dumper_ = nullptr;
  if (!is_good) return unreadable(path_, "cannot be written (disk full?)");
  return Ok();
}

}  // namespace sluice
