#!/usr/bin/env node
import "./cfsctl.js";
