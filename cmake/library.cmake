# libanytag: every room in one shared and one static library that export at_* of the public headers.
get_property(rooms GLOBAL PROPERTY ANYTAG_ROOMS)
get_property(links GLOBAL PROPERTY ANYTAG_LINKS)
list(REMOVE_DUPLICATES links)
set(objects)
foreach(room ${rooms})
  list(APPEND objects $<TARGET_OBJECTS:${room}>)
endforeach()

set(private) # what a program needs that links libanytag.a
foreach(module CRYPTO JANSSON UTF8PROC ZLIB JPEG PNG EXIF WEBP)
  list(APPEND private ${${module}_STATIC_LDFLAGS})
endforeach()
list(APPEND private -lm -lpthread)
list(REMOVE_DUPLICATES private)

add_library(anytag SHARED ${objects})
set_target_properties(anytag PROPERTIES LINKER_LANGUAGE C VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(anytag PRIVATE ${links} m)
add_library(anytag_static STATIC ${objects})
set_target_properties(anytag_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME anytag)
target_link_libraries(anytag_static PUBLIC "$<BUILD_INTERFACE:${links};m>" "$<INSTALL_INTERFACE:${private}>")
foreach(library anytag anytag_static)
  target_include_directories(${library} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
endforeach()
target_link_options(anytag PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/packaging/anytag.map)
if(NOT ANYTAG_SANITIZE) # clang leaves a sanitizer's symbols to the program
  target_link_options(anytag PRIVATE -Wl,--no-undefined)
endif()

# anytag.pc finds its prefix from where it lies, so that `cmake --install --prefix` may choose another.
file(RELATIVE_PATH ANYTAG_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" ANYTAG_PC_UP "${ANYTAG_PC_UP}")
list(JOIN private " " ANYTAG_PC_PRIVATE)
configure_file(packaging/anytag.pc.in anytag.pc @ONLY)
install(TARGETS anytag anytag_static EXPORT anytag DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ DESTINATION include)
install(FILES ${CMAKE_BINARY_DIR}/anytag.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package(anytag) beside it, for any prefix too.
include(CMakePackageConfigHelpers)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/anytag)
configure_package_config_file(packaging/anytagConfig.cmake.in anytagConfig.cmake INSTALL_DESTINATION ${config})
write_basic_package_version_file(anytagConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/anytagConfig.cmake ${CMAKE_BINARY_DIR}/anytagConfigVersion.cmake DESTINATION ${config})
install(EXPORT anytag FILE anytagTargets.cmake NAMESPACE anytag:: DESTINATION ${config})
