# routefuse for CMake: find_package(routefuse) gives the targets
#   routefuse::routefuse          libroutefuse.so, with the compiler
#   routefuse::runtime            libroutefuse-runtime.so, which loads bundles and has no LLVM
#   routefuse::routefuse_static, routefuse::runtime_static
# each where its library is installed.
get_filename_component(_routefuse_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

foreach(_routefuse_name routefuse runtime)
    set(_routefuse_library "${_routefuse_prefix}/lib/libroutefuse")
    if(_routefuse_name STREQUAL "runtime")
        string(APPEND _routefuse_library "-runtime")
    endif()
    if(EXISTS "${_routefuse_library}.so" AND NOT TARGET routefuse::${_routefuse_name})
        add_library(routefuse::${_routefuse_name} SHARED IMPORTED)
        set_target_properties(routefuse::${_routefuse_name} PROPERTIES
            IMPORTED_LOCATION "${_routefuse_library}.so"
            INTERFACE_INCLUDE_DIRECTORIES "${_routefuse_prefix}/include")
    endif()
    if(EXISTS "${_routefuse_library}.a" AND NOT TARGET routefuse::${_routefuse_name}_static)
        add_library(routefuse::${_routefuse_name}_static STATIC IMPORTED)
        set_target_properties(routefuse::${_routefuse_name}_static PROPERTIES
            IMPORTED_LOCATION "${_routefuse_library}.a"
            INTERFACE_INCLUDE_DIRECTORIES "${_routefuse_prefix}/include"
            INTERFACE_LINK_LIBRARIES "m;pthread;dl;gcc_s")
    endif()
endforeach()
unset(_routefuse_library)
unset(_routefuse_name)
unset(_routefuse_prefix)
