"""The lab's AWS: a moto server with the gaps that operations depend on filled by extension."""
