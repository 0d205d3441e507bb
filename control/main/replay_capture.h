#pragma once

// A capture file as Ethernet frames, in the order of the file.
//
// pcap (microseconds and nanoseconds) and pcapng, by libpcap. Link types without Ethernet (raw IP,
// BSD loopback, Linux cooked v1 and v2) get an Ethernet header put before their network header.
// MACs mean nothing to replay: every frame gets the same two, so that no group bit matters; the
// bytes as captured are kept beside.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

struct pcap;
struct pcap_dumper;

namespace sluice {

struct CapturedPacket {
  std::uint64_t number = 0;  // from 1
  UnixNanos time_ns = 0;
  std::uint32_t wire_length = 0;       // of the frame on the wire, before the capture cut it
  std::vector<std::uint8_t> captured;  // as in the file, with its own link type
  std::vector<std::uint8_t> frame;     // Ethernet
};

class CaptureReader {
 public:
  // Failed if the file cannot be read, is no capture, or has a link type that is not among the
  // above; "-" reads standard input.
  static Result<std::unique_ptr<CaptureReader>> open(const std::string& path);
  ~CaptureReader();

  // The next packet into `packet`, whose memory is used again; false at the end. Failed where the
  // file is broken off or damaged.
  Result<bool> next(CapturedPacket& packet);

  int link_type() const;
  // True if the stamps of the file are finer than microseconds.
  bool has_nanoseconds() const { return has_nanoseconds_; }

 private:
  CaptureReader(pcap* capture, std::string path, bool has_nanoseconds)
      : capture_(capture), path_(std::move(path)), has_nanoseconds_(has_nanoseconds) {}

  pcap* capture_;
  std::string path_;
  bool has_nanoseconds_;
  std::uint64_t count_ = 0;
};

// A capture of the same kind as another: what was forwarded, as it was captured.
class CaptureWriter {
 public:
  static Result<std::unique_ptr<CaptureWriter>> create(const std::string& path,
                                                       const CaptureReader& like);
  ~CaptureWriter();
  void write(const CapturedPacket& packet);
  // Everything is on disk, or the reason why not.
  Status finish();

 private:
  CaptureWriter(pcap* handle, pcap_dumper* dumper, std::string path, bool has_nanoseconds)
      : handle_(handle),
        dumper_(dumper),
        path_(std::move(path)),
        has_nanoseconds_(has_nanoseconds) {}

  pcap* handle_;
  pcap_dumper* dumper_;
  std::string path_;
  bool has_nanoseconds_;
};

}  // namespace sluice
