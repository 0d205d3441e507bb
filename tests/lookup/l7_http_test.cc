// Hosts of HTTP requests, and requests that leave a doubt.

#include "lookup/l7_http.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/lookup/l7_fixture.h"

namespace sluice {
namespace {

NameAnswer find(std::string_view text) { return find_http_name(bytes_of(text)); }
std::string host_of(std::string_view text) { return std::string(find(text).name.text()); }

TEST(HttpName, IsTheHostFieldsWithoutItsPort) {
  EXPECT_EQ(host_of("GET / HTTP/1.1\r\nAccept: */*\r\nHOST:\tWWW.Example.com:8080 \r\n\r\n"),
            "www.example.com");
  EXPECT_EQ(host_of("GET / HTTP/1.1\nHost: a.example\n\n"), "a.example");
}

TEST(HttpName, IsTheTargetsWhereItHasOne) {
  EXPECT_EQ(host_of("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n"), "a.example");
  EXPECT_EQ(host_of("GET http://a.example?y HTTP/1.0\r\n\r\n"), "a.example");
  EXPECT_EQ(host_of("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), "a.example");
}

TEST(HttpName, NeedsTheWholeHead) {
  const std::string head = "GET /x HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < head.size(); ++size) {
    ASSERT_EQ(find(head.substr(0, size)).state, NameState::NeedMore) << size;
  }
  EXPECT_EQ(host_of(head), "a.example");
  EXPECT_EQ(host_of(head + "body: \r\nHost: b.example\r\n\r\n"), "a.example");
}

TEST(HttpName, IsNoneWhereNobodyIsNamed) {
  for (const char* text : {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
                           "OPTIONS * HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    EXPECT_EQ(find(text).state, NameState::None) << text;
  }
}

TEST(HttpName, IsRefusedWhereThereIsADoubt) {
  for (const char* text : {
           "GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
           "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
           "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
           "GET / HTTP/1.1\r\n Host: a.example\r\n\r\n",
           "GET / HTTP/1.1\r\nX: y\r\n\tfolded\r\nHost: a.example\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: user@a.example\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a.example:80x\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
           "GET http://a.example/ HTTP/1.1\r\nHost: [::1]\r\n\r\n",
           "GET / HTTP/1.1\r\nno colon\r\n\r\n",
           "GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n",
           "GET ftp//x HTTP/1.1\r\nHost: a.example\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: a.example\r\n\r\n",
           "\r\n\r\n",
       }) {
    EXPECT_EQ(find(text).state, NameState::Malformed) << text;
  }
  EXPECT_EQ(find(std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 30)).state,
            NameState::Malformed);
  EXPECT_EQ(find("GET / HTTP/1.1\r\nHost: " + std::string(10'000, 'a') + "\r\n\r\n").state,
            NameState::Malformed);
}

TEST(HttpName, IsRefusedInHeadsBeyondTheBound) {
  std::string text = "GET / HTTP/1.1\r\nX: ";
  text.append(kL7HelloBytes - text.size() - 1, 'x');
  EXPECT_EQ(find(text).state, NameState::NeedMore);
  EXPECT_EQ(find(text + "x").state, NameState::Malformed);
  EXPECT_EQ(find(text + "x\r\nHost: a.example\r\n\r\n").state, NameState::Malformed);
}

}  // namespace
}  // namespace sluice
