#pragma once

// Captures whose flows somebody else has named, as first bytes of conversations.
//
// A deliberately plain reading of packets, apart from the pipeline's: headers, then the payload of
// each side in order of its sequence numbers, no checksums, no states. Fragments are left out.

#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "lookup/l7_app.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_names.h"

namespace sluice {

// "TCP 192.0.2.1:80 198.51.100.1:4000", the smaller end first.
using CorpusKey = std::string;

// What a result file says of a flow.
struct NamedFlow {
  CorpusKey key;
  std::string protocol;      // "NetBIOS.SMBv23"
  std::string first_packet;  // its guess from the first packet alone
  bool is_guess = false;     // by the port, not by the bytes
  std::string host;          // empty: not said
  std::string ja4;           // empty: not said
};

// What we say of it.
struct CorpusAnswer {
  App app = App::Unknown;
  NameAnswer name;
};

std::vector<NamedFlow> read_results(const std::filesystem::path& file);

// Every TCP and UDP conversation of a capture, judged packet by packet like a worker would.
std::map<CorpusKey, CorpusAnswer> judge_capture(const std::filesystem::path& file,
                                                const L7Patterns& patterns, L7Scratch& scratch);

}  // namespace sluice
